--- The sum of the tensors of a table.
local torch = require 'torch'
local overwrite = require 'nn.inplace'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local CAddTable = torch.class('nn.CAddTable', 'nn.Module')

--- inplace: write over the first tensor, see nn/inplace.lua.
function CAddTable:__init(inplace)
  self.inplace = inplace or false
end

function CAddTable:updateOutput(input)
  inputs.check_tensors(input)
  local target = #input > 1 and overwrite.target(self, input[1])
  local output = target or input[1]
  for i = 2, #input do
    output = target and target:add(input[i]) or torch.add(output, input[i])
  end
  return output
end
