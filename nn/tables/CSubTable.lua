--- The first of two tensors minus the second.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local CSubTable = torch.class('nn.CSubTable', 'nn.Module')

function CSubTable:updateOutput(input)
  inputs.check_tensors(input, 2)
  return torch.csub(input[1], input[2])
end
