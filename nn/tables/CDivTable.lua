--- The first of two tensors divided by the second, element by element.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local CDivTable = torch.class('nn.CDivTable', 'nn.Module')

function CDivTable:updateOutput(input)
  inputs.check_tensors(input, 2)
  return torch.cdiv(input[1], input[2])
end
