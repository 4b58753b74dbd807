--- Rectifier, max(x, 0).
local torch = require 'torch'
local overwrite = require 'nn.inplace'

local ReLU, Threshold = torch.class('nn.ReLU', 'nn.Threshold')

--- inplace: write over the input, see nn/inplace.lua.
function ReLU:__init(inplace)
  Threshold.__init(self, 0, 0, inplace)
end

function ReLU:updateOutput(input)
  local target = overwrite.target(self, input)
  return target and target:relu() or torch.relu(input)
end
