--- Lets a module that takes `nInputDim` dimensions have more: the first ones become one, and come
-- back in the output. A Linear then works on the last dimension of (batch, time, feature).
local torch = require 'torch'
local run = require 'nn.run'
local inputs = require 'nn.tables.inputs'
require 'nn.containers.Decorator'

local Bottle, Decorator = torch.class('nn.Bottle', 'nn.Decorator')

--- nInputDim, nOutputDim: how many dimensions the module takes and gives, a batch's included.
function Bottle:__init(module, nInputDim, nOutputDim)
  Decorator.__init(self, module)
  self.nInputDim = nInputDim or 2
  self.nOutputDim = nOutputDim or self.nInputDim
end

function Bottle:updateOutput(input)
  local dims = input:dim()
  local batch_dims = dims - self.nInputDim + 1
  if batch_dims <= 1 then return run.call(self.modules[1], input) end
  local fused, sizes = 1, {}
  for d = 1, batch_dims do
    sizes[d] = input:size(d)
    fused = fused * sizes[d]
  end
  local inner = {fused}
  for d = batch_dims + 1, dims do inner[#inner + 1] = input:size(d) end
  local output = run.call(self.modules[1], torch.reshape(input, torch.LongStorage(inner)))
  if output:dim() ~= self.nOutputDim then
    error(('an output of %d dimensions expected of the module, got one of size [%s]'):format(
      self.nOutputDim, inputs.sizes(output)), 0)
  end
  for d = 2, output:dim() do sizes[#sizes + 1] = output:size(d) end
  return torch.reshape(output, torch.LongStorage(sizes))
end
