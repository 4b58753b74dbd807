-- The simple layers against PyTorch's values and gradients, which spec/golden/nn_simple.py wrote.
local golden = require 'spec.support.golden'
local nn = require 'nn'

-- The module with other parameters, of the type of the given ones or of `like`.
local function with(module, fields, like)
  for _, tensor in pairs(fields) do like = tensor end
  module:type(like:type())
  for name, tensor in pairs(fields) do
    assert(module[name]:isSameSizeAs(tensor:detach()), name)
    module[name] = tensor
  end
  return module
end

-- The same of one module of a container.
local function part(container, index, fields)
  container:double()
  with(container:get(index), fields)
  return container
end

-- The last output of some steps in training, each with 0.7 more, and the running averages.
local function stats(module, x, steps)
  local y
  for step = 0, steps - 1 do y = module(x + 0.7 * step) end
  return y, module.running_mean, module.running_var
end

local function used(module)
  module:evaluate()
  return module
end

local globals = {nn = nn, math = math, with = with, part = part, stats = stats,
  used = used}
local WAYS = {float64 = {globals = globals, tolerance = 1e-8},
  float32 = {globals = globals, tolerance = 1e-5, narrow = true}}

for dtype, options in pairs(WAYS) do
  describe('PyTorch agrees in ' .. dtype .. ':', function()
    for k, case in ipairs(dofile('spec/golden/nn_simple.lua')) do
      it(('%s (%d)'):format(case[1], k), function() golden.check(case, options) end)
    end
  end)
end
