--- A tensor as the table of its slices along a dimension, which is gone from them.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local SplitTable = torch.class('nn.SplitTable', 'nn.Module')

--- dimension, nInputDims: see JoinTable.
function SplitTable:__init(dimension, nInputDims)
  self.dimension = dimension or 1
  self.nInputDims = nInputDims
end

function SplitTable:updateOutput(input)
  if type(input) ~= 'userdata' then
    error(('a tensor expected, got %s'):format(torch.type(input)), 0)
  end
  local dim, output = inputs.dimension(self.dimension, input:dim(), self.nInputDims), {}
  for i = 1, input:size(dim) do
    -- Elements of a vector come as tensors of size 1.
    output[i] = input:dim() == 1 and torch.narrow(input, 1, i, 1) or torch.select(input, dim, i)
  end
  return output
end
