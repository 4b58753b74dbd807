--- The sum of the tensors of a table.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local CAddTable = torch.class('nn.CAddTable', 'nn.Module')

--- inplace: Torch7's programs may pass true, to save memory; the result is the same.
function CAddTable:__init(inplace)
  self.inplace = inplace or false
end

function CAddTable:updateOutput(input)
  inputs.check_tensors(input)
  local output = input[1]
  for i = 2, #input do output = torch.add(output, input[i]) end
  return output
end
