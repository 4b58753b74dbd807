-- The zoo's models against the same structure written with PyTorch's modules: outputs, and the
-- gradients of all parameters. spec/golden/nn_models.py wrote the values.
local golden = require 'spec.support.golden'
local torch, nn = require 'torch', require 'nn'

-- From -1 to 1, without any order to speak of.
local function values(k, ...)
  local sizes = torch.LongStorage{...}
  local count = 1
  for d = 1, sizes:size() do count = count * sizes[d] end
  local i = torch.range(0, count - 1):double()
  return torch.fmod(i * 5 + torch.cmul(i, i) * 3 + k * 11, 101):div(50.5):add(-1):view(sizes)
end

local kind -- the tensors' type of the case that runs

local function result(model, input)
  model:type(kind)
  if input.dtype ~= 'int64' then input = input:type(kind) end
  local tensors, gradients = model:parameters()
  for k, tensor in ipairs(tensors) do
    local sizes = tensor:size():totable()
    local own = values(k, (table.unpack or unpack)(sizes))
    local rows = tensor:nElement() / sizes[1]
    tensor:copy(own:mul(#sizes > 1 and 1 / math.sqrt(rows) or 0.1))
  end
  local y = model(input)
  local weights = torch.range(0, y:nElement() - 1):double()
  weights = torch.fmod(weights * 7, 5):mul(0.25):add(0.5):viewAs(y:detach()):type(kind)
  model:zeroGradParameters()
  torch.cmul(y, weights):sum():backward()
  local sums = torch.zeros(#tensors):double()
  for k, gradient in ipairs(gradients) do
    local sizes = gradient:size():totable()
    sums[k] = torch.cmul(gradient:double(), values(0, (table.unpack or unpack)(sizes))):sum()
  end
  return y:detach(), sums
end

local globals = {nn = nn, result = result, values = values}
local WAYS = {
  ['torch.DoubleTensor'] = {globals = globals, tolerance = 1e-8},
  ['torch.FloatTensor'] = {globals = globals, tolerance = 1e-5, narrow = true},
}

-- Over fifty layers, with statistics of a few numbers, rounding to float32 grows.
local DEEP = {globals = globals, tolerance = 1e-3, narrow = true}

local function options_of(type_name, expression)
  local deep = expression:find('depth = 50', 1, true) or expression:find('MobileNet', 1, true)
  return deep and type_name == 'torch.FloatTensor' and DEEP or WAYS[type_name]
end

for type_name in pairs(WAYS) do
  describe('PyTorch agrees in ' .. type_name .. ':', function()
    for _, case in ipairs(dofile('spec/golden/nn_models.lua')) do
      it(case[1], function()
        kind = type_name
        golden.check(case, options_of(type_name, case[1]))
      end)
    end
  end)
end
