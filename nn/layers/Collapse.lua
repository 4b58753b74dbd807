--- All dimensions of an example as one.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Collapse = torch.class('nn.Collapse', 'nn.Module')

--- nInputDim: how many dimensions an example has; an input with more is a batch.
function Collapse:__init(nInputDim)
  dims.check_whole('Collapse', 'nInputDim', nInputDim)
  self.nInputDim = nInputDim
end

function Collapse:updateOutput(input)
  dims.check(input)
  if input:dim() <= self.nInputDim then return torch.reshape(input, input:nElement()) end
  local batch = input:size(1)
  return torch.reshape(input, batch, batch == 0 and 0 or input:nElement() / batch)
end
