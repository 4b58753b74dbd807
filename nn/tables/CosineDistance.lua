--- The cosine of the angle between two vectors, or between the rows of two matrices.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local CosineDistance = torch.class('nn.CosineDistance', 'nn.Module')

local EPSILON = 1e-12 -- added to squares of lengths

local function dot(a, b)
  return torch.squeeze(torch.sum(torch.cmul(a, b), 2), 2)
end

--- Of two vectors one number, of two (batch, element) one for each row.
function CosineDistance:updateOutput(input)
  local a, b = inputs.pair_of_rows(input)
  local lengths = torch.cmul(torch.add(dot(a, a), EPSILON), torch.add(dot(b, b), EPSILON))
  return torch.cdiv(dot(a, b), torch.sqrt(lengths))
end
