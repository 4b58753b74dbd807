--- Rectifier, max(x, 0).
local torch = require 'torch'

local ReLU, Threshold = torch.class('nn.ReLU', 'nn.Threshold')

--- inplace: accepted for Torch7's sake; the input is never written to.
function ReLU:__init(inplace)
  Threshold.__init(self, 0, 0, inplace)
end

function ReLU:updateOutput(input)
  return torch.relu(input)
end
