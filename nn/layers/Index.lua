--- Slices by number: of {tensor, indices} those of a dimension that the indices name.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Index = torch.class('nn.Index', 'nn.Module')

function Index:__init(dimension)
  self.dimension = dimension or 1
end

function Index:updateOutput(input)
  dims.check_table(input, 2)
  dims.check(input[2], 1)
  return torch.index(input[1], dims.at(input[1], self.dimension), input[2]:to('int64'))
end
