--- nn.test: quick checks, by finite differences, that layers and losses work on this machine.
local torch = require 'torch'
local nn = require 'nn'
local check_layer = require 'nn.check_layer'

local function randn(...)
  return torch.DoubleTensor(...):normal()
end

-- {name, what makes the module, the size of an input}
local LAYERS = {
  {'Linear', function() return nn.Linear(4, 3) end, {5, 4}},
  {'ReLU', function() return nn.ReLU() end, {5, 4}},
  {'Tanh', function() return nn.Tanh() end, {5, 4}},
  {'Sigmoid', function() return nn.Sigmoid() end, {5, 4}},
  {'SoftMax', function() return nn.SoftMax() end, {5, 4}},
  {'LogSoftMax', function() return nn.LogSoftMax() end, {5, 4}},
  {'View', function() return nn.View(2, 2) end, {5, 4}},
  {'Reshape', function() return nn.Reshape(4, 1) end, {5, 4}},
  {'Sequential', function()
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
  end, {5, 4}},
  {'ConcatTable', function()
    return nn.Sequential(nn.ConcatTable():add(nn.Linear(4, 3)):add(nn.Linear(4, 3)), nn.CAddTable())
  end, {2, 4}},
  {'Concat', function() return nn.Concat(2):add(nn.Tanh()):add(nn.Linear(4, 2)) end, {2, 4}},
  {'SpatialConvolution', function() return nn.SpatialConvolution(2, 2, 3, 3) end, {2, 2, 4, 4}},
  {'SpatialMaxPooling', function() return nn.SpatialMaxPooling(2, 2) end, {2, 1, 4, 4}},
  {'BatchNormalization', function() return nn.BatchNormalization(4) end, {5, 4}},
}

local CRITERIONS = {
  {'MSECriterion', function() return randn(4, 3) end},
  {'AbsCriterion', function() return randn(4, 3) end},
  {'CrossEntropyCriterion', function() return torch.LongTensor {1, 3, 2, 2} end},
  {'ClassNLLCriterion', function() return torch.LongTensor {1, 3, 2, 2} end},
}

local PRECISION = 1e-5

local function check_criterion(tester, name, target)
  local criterion, input, width = nn[name]():double(), randn(4, 3), 1e-6
  criterion:forward(input, target)
  local gradient = criterion:backward(input, target):clone()
  for i = 1, 4 do
    for j = 1, 3 do
      local old, ends = input[i][j], {}
      for side, step in ipairs {-width, width} do
        input[i][j] = old + step
        ends[side] = criterion:forward(input, target)
      end
      input[i][j] = old
      tester:assertlt(math.abs((ends[2] - ends[1]) / (2 * width) - gradient[i][j]), PRECISION)
    end
  end
end

local function suite(tester)
  local tests = torch.TestSuite()
  for _, layer in ipairs(LAYERS) do
    if nn[layer[1]] then
      tests[layer[1]] = function()
        check_layer(tester, layer[2](), randn(torch.LongStorage(layer[3])))
      end
    end
  end
  for _, loss in ipairs(CRITERIONS) do
    if nn[loss[1]] then
      tests[loss[1]] = function() check_criterion(tester, loss[1], loss[2]()) end
    end
  end
  return tests
end

--- nn.test([name, pattern or list of these [, seed]]): an error when something does not work.
local function test(names, seed)
  if seed then torch.manualSeed(seed) end
  local tester = torch.Tester()
  tester:add(suite(tester))
  tester:run(names)
end

return test
