--- The dot product of two vectors, or of the rows of two matrices.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local DotProduct = torch.class('nn.DotProduct', 'nn.Module')

--- Of two vectors one number, of two (batch, element) one for each row.
function DotProduct:updateOutput(input)
  local a, b = inputs.pair_of_rows(input)
  return torch.squeeze(torch.sum(torch.cmul(a, b), 2), 2)
end
