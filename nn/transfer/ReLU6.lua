--- Each element limited to [0, 6].
local torch = require 'torch'
local overwrite = require 'nn.inplace'
require 'nn.Module'

local ReLU6 = torch.class('nn.ReLU6', 'nn.Module')

--- inplace: write over the input, see nn/inplace.lua.
function ReLU6:__init(inplace)
  self.inplace = inplace or false
end

function ReLU6:updateOutput(input)
  local target = overwrite.target(self, input)
  return target and target:relu6() or torch.relu6(input)
end
