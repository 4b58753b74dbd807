--- nn.testTHNN: quick checks that the kernels of nn.THNN give what the modules give.
local torch = require 'torch'
local nn = require 'nn'

-- {what makes the module, its kernel, the size of an input, the numbers the kernel takes}
local KERNELS = {
  {function() return nn.Abs() end, 'Abs', {3, 4}, {}},
  {function() return nn.Square() end, 'Square', {3, 4}, {}},
  {function() return nn.Threshold(0.1, 0) end, 'Threshold', {3, 4}, {0.1, 0, false}},
  {function() return nn.HardTanh() end, 'HardTanh', {3, 4}, {-1, 1, false}},
  {function() return nn.LeakyReLU(0.2) end, 'LeakyReLU', {3, 4}, {0.2, false}},
  {function() return nn.HardShrink(0.3) end, 'HardShrink', {3, 4}, {0.3}},
  {function() return nn.SoftShrink(0.3) end, 'SoftShrink', {3, 4}, {0.3}},
  {function() return nn.SpatialAveragePooling(2, 2, 2, 2) end, 'SpatialAveragePooling', {2, 6, 6},
    {2, 2, 2, 2, 0, 0, false, true}},
  {function() return nn.SpatialUpSamplingNearest(2) end, 'SpatialUpSamplingNearest', {2, 3, 3},
    {2}},
}

local PRECISION = 1e-8

local unpack = table.unpack or unpack

local function check(tester, make, name, size, numbers)
  local x = torch.DoubleTensor(torch.LongStorage(size)):normal()
  local module, kernels = make():double(), x.THNN
  local output, gradient = x.new(), x.new()
  local wanted = module:forward(x)
  local dy = torch.randn_like(wanted)
  kernels[name .. '_updateOutput'](x, output, unpack(numbers))
  tester:assertTensorEq(output, wanted, PRECISION, name)
  kernels[name .. '_updateGradInput'](x, dy, gradient, unpack(numbers))
  tester:assertTensorEq(gradient, module:backward(x, dy), PRECISION, name)
end

--- nn.testTHNN([name, pattern or list of these]): an error when a kernel does not work.
local function test(names)
  local tester, tests = torch.Tester(), torch.TestSuite()
  for _, kernel in ipairs(KERNELS) do
    tests[kernel[2]] = function() check(tester, unpack(kernel)) end
  end
  tester:add(tests)
  tester:run(names)
end

return test
