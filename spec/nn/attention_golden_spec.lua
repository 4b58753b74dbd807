-- Attention, transformers and normalisation against PyTorch's values and gradients, which
-- spec/golden/nn_attention.py wrote.
local golden = require 'spec.support.golden'
local nn = require 'nn'

-- The module that holds self_attn_in_proj_weight, and the rest of the name.
local function owner(module, name)
  if module[name] then return module, name end
  for field, child in pairs(module) do
    if torch.isTypeOf(child, 'nn.Module') and name:find(field .. '_', 1, true) == 1 then
      return owner(child, name:sub(#field + 2))
    end
  end
  error('no parameter ' .. name)
end

-- The module with other parameters, of the type of the given ones.
local function with(module, fields)
  local _, like = next(fields)
  module:type(like:type())
  for name, tensor in pairs(fields) do
    local holder, field = owner(module, name)
    assert(holder[field]:isSameSizeAs(tensor:detach()), name)
    holder[field] = tensor
  end
  return module
end

-- Three steps of training, and the result in use with the statistics it then has.
local function steps(module, x)
  module:type(x:type())
  for k = 1, 3 do module(x * k) end
  module:evaluate()
  return module(x), module.running_mean, module.running_var
end

-- With the directions of the greatest singular value, after many steps.
local function singular(module, w, x)
  module:type(x:type())
  module.modules[1].weight = w
  for _ = 1, 200 do module(x) end
  module:evaluate()
  return module(x)
end

local function typed(module, x)
  return module:type(x:type())(x)
end

local globals = {nn = nn, with = with, typed = typed, steps = steps, singular = singular}
local WAYS = {float64 = {globals = globals, tolerance = 1e-8},
  float32 = {globals = globals, tolerance = 1e-5, narrow = true}}

for dtype, options in pairs(WAYS) do
  describe('PyTorch agrees in ' .. dtype .. ':', function()
    for k, case in ipairs(dofile('spec/golden/nn_attention.lua')) do
      it(('%s (%d)'):format(case[1], k), function() golden.check(case, options) end)
    end
  end)
end
