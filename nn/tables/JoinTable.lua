--- The tensors of a table one after the other, along a dimension.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local JoinTable = torch.class('nn.JoinTable', 'nn.Module')

--- dimension: negative ones count from the end. nInputDims: how many dimensions one sample has, so
-- that with one more the dimension is counted from the second on.
function JoinTable:__init(dimension, nInputDims)
  self.dimension = dimension or 1
  self.nInputDims = nInputDims
end

function JoinTable:updateOutput(input)
  inputs.check_tensors(input)
  local dim = inputs.dimension(self.dimension, input[1]:dim(), self.nInputDims)
  return torch.cat(input, dim)
end
