--- The largest of the tensors of a table, element by element.
-- Of equals the first gets the gradient.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local CMaxTable = torch.class('nn.CMaxTable', 'nn.Module')

function CMaxTable:updateOutput(input)
  inputs.check_tensors(input)
  local output = input[1]
  for i = 2, #input do output = torch.where(torch.gt(input[i], output), input[i], output) end
  return output
end
