--- The product of the tensors of a table, element by element.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local CMulTable = torch.class('nn.CMulTable', 'nn.Module')

function CMulTable:updateOutput(input)
  inputs.check_tensors(input)
  local output = input[1]
  for i = 2, #input do output = torch.cmul(output, input[i]) end
  return output
end
