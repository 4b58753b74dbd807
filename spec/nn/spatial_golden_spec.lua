-- Convolutions, poolings, paddings and resizing as PyTorch calculates them, gradients and all;
-- spec/golden/nn_spatial.py wrote the cases.
local nn = require 'nn'
local golden = require 'spec.support.golden'

local globals = {nn = nn}

-- The module as a function, of its input's type, with these tensors in its fields.
function globals.with(module, fields)
  return function(x)
    module:type(x:type())
    for field, value in pairs(fields or {}) do module[field] = value end
    return module(x)
  end
end

function globals.unpooled(pooling, unpooling, x)
  return unpooling(pooling)(pooling(x))
end

for _, name in ipairs {'nn_convolutions', 'nn_poolings', 'nn_resizing'} do
  describe('PyTorch agrees with ' .. name:gsub('_', ': ') .. ':', function()
    for k, case in ipairs(dofile('spec/golden/' .. name .. '.lua')) do
      it(('%s (%d)'):format(case[1], k), function()
        golden.check(case, {globals = globals})
      end)
      it(('%s (%d) in float32'):format(case[1], k), function()
        golden.check(case, {globals = globals, narrow = true, tolerance = 1e-5})
      end)
    end
  end)
end
