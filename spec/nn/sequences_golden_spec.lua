-- Recurrent layers against PyTorch's values and gradients, which spec/golden/nn_sequences.py wrote.
local golden = require 'spec.support.golden'
local torch, nn = require 'torch', require 'nn'

-- The module with these parameters.
local function with(module, fields)
  for _, tensor in pairs(fields) do module:type(tensor:type()) end
  for name, tensor in pairs(fields) do
    assert(module[name]:isSameSizeAs(tensor:detach()), name)
    module[name] = tensor
  end
  return module
end

local function stacked(kind, options, x, parameters, state, lengths)
  local layers, fields = nn['Stacked' .. kind](2, 3, options), {}
  assert.equal(#layers.parameterNames, #parameters)
  for k, name in ipairs(layers.parameterNames) do fields[name] = parameters[k] end
  local out = with(layers, fields)({x, state, lengths and torch.LongTensor(lengths)})
  if kind == 'LSTM' then return out[1], out[2][1], out[2][2] end
  return out[1], out[2]
end

local globals = {nn = nn, with = with, stacked = stacked}
local WAYS = {float64 = {globals = globals, tolerance = 1e-8},
  float32 = {globals = globals, tolerance = 1e-5, narrow = true}}

for dtype, options in pairs(WAYS) do
  describe('PyTorch agrees in ' .. dtype .. ':', function()
    for k, case in ipairs(dofile('spec/golden/nn_sequences.lua')) do
      it(('%s (%d)'):format(case[1], k), function() golden.check(case, options) end)
    end
  end)
end
