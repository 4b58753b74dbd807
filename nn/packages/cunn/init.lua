--- Torch7's package cunn: nn's modules on a GPU. They all work there by themselves; the package
-- adds nn.testcuda, and needs a GPU, as cutorch does.
local torch = require 'torch'
require 'cutorch'
local nn = require 'nn'

local cunn = {}

nn.Module._flattenTensorBuffer = nn.Module._flattenTensorBuffer or {}

-- A layer and its copy on the GPU: apart by how much, in output and gradients.
local function apart(layer, input)
  local there, x = layer:clone():cuda(), input:cuda()
  local y, z = layer:forward(input), there:forward(x)
  local dy = y:clone():uniform(-1, 1)
  local dx, dz = layer:backward(input, dy), there:backward(x, dy:cuda())
  local most = torch.dist(y, z:float()) + torch.dist(dx, dz:float())
  local _, g = layer:parameters()
  local _, h = there:parameters()
  for k in ipairs(g or {}) do most = most + torch.dist(g[k], h[k]:float()) end
  return most
end

--- nn.testcuda(): an error when layers on the GPU do something else than on the CPU.
function nn.testcuda()
  local tester, tests = torch.Tester(), torch.TestSuite()
  local image, rows = torch.FloatTensor(2, 3, 8, 8), torch.FloatTensor(4, 10)
  for name, case in pairs {
    Linear = {nn.Linear(10, 7), rows},
    Tanh = {nn.Tanh(), rows},
    LogSoftMax = {nn.LogSoftMax(), rows},
    BatchNormalization = {nn.BatchNormalization(10), rows},
    SpatialConvolution = {nn.SpatialConvolution(3, 4, 3, 3, 1, 1, 1, 1), image},
    SpatialMaxPooling = {nn.SpatialMaxPooling(2, 2, 2, 2), image},
  } do
    tests[name] = function()
      case[1]:float()
      case[1]:zeroGradParameters()
      tester:assertlt(apart(case[1], case[2]:uniform(-1, 1)), 1e-3, name)
    end
  end
  tester:add(tests)
  tester:run()
end

return cunn
