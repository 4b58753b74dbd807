--- The distance of two vectors, or of the rows of two matrices, in the p-norm.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local PairwiseDistance = torch.class('nn.PairwiseDistance', 'nn.Module')

function PairwiseDistance:__init(p)
  self.norm = p or 2
end

--- Of two vectors one number, of two (batch, element) one for each row.
function PairwiseDistance:updateOutput(input)
  local a, b = inputs.pair_of_rows(input)
  return torch.squeeze(torch.norm(torch.csub(a, b), self.norm, 2), 2)
end
