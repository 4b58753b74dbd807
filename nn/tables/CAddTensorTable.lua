--- Of {x, {a, b, ...}}: the table {a + x, b + x, ...}.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local CAddTensorTable = torch.class('nn.CAddTensorTable', 'nn.Module')

function CAddTensorTable:updateOutput(input)
  inputs.check_list(input, 2)
  inputs.check_tensors(input[2])
  local output = {}
  for i, part in ipairs(input[2]) do output[i] = torch.add(part, input[1]) end
  return output
end
