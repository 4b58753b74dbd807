--- A value that does not depend on the input; only how many examples there are does.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Constant = torch.class('nn.Constant', 'nn.Module')

--- value: a number or a tensor. nInputDim: how many dimensions an example has; an input with more
-- is a batch, for each example of which the value is repeated.
function Constant:__init(value, nInputDim)
  self.value = type(value) == 'number' and torch.Tensor{value} or value
  if not torch.isTensor(self.value) then
    error(('nn.Constant: a number or a tensor expected, got %s'):format(torch.type(value)), 3)
  end
  self.nInputDim = nInputDim
end

function Constant:updateOutput(input)
  local value = self.value
  if not self.nInputDim then return value:clone() end
  dims.check(input)
  if input:dim() <= self.nInputDim then return value:clone() end
  local sizes = value:size():totable()
  table.insert(sizes, 1, input:size(1))
  return torch.unsqueeze(value, 1):expand(torch.LongStorage(sizes)):clone()
end
