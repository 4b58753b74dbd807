-- The recurrent modules against PyTorch's values and gradients, which spec/golden/nn_rnn.py wrote:
-- as one graph, and the values step by step.
local golden = require 'spec.support.golden'
local torch, nn = require 'torch', require 'nn'

-- Puts the tensors, which may be nested by names of fields, in the place of those of the module.
local function fill(module, fields)
  for name, value in pairs(fields) do
    if torch.isTensor(value) then
      assert(module[name]:isSameSizeAs(value:detach()), name)
      module[name] = value
    else
      fill(module[name], value)
    end
  end
end

local function by_sequencer(module, fields, x)
  module:type(x:type())
  fill(module, fields)
  return nn.Sequencer(module)(x)
end

local function by_calls(module, fields, x)
  module:type(x:type())
  fill(module, fields)
  local outputs = {}
  for t = 1, x:size(1) do outputs[t] = module(torch.select(x, 1, t)) end
  return torch.stack(outputs, 1)
end

for dtype, options in pairs {
  float64 = {tolerance = 1e-8}, float32 = {tolerance = 1e-5, narrow = true},
} do
  describe('PyTorch agrees in ' .. dtype .. ':', function()
    for k, case in ipairs(dofile('spec/golden/nn_rnn.lua')) do
      for _, over in ipairs {by_sequencer, by_calls} do
        it(('%s (%d)'):format(case[1]:sub(1, 40), k), function()
          options.globals = {nn = nn, over = over}
          golden.check(case, options)
        end)
      end
    end
  end)
end
