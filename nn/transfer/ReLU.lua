--- Rectifier, max(x, 0).
local torch = require 'torch'
require 'nn.Module'

local ReLU = torch.class('nn.ReLU', 'nn.Module')

--- inplace: accepted for Torch7's sake; the input is never written to.
function ReLU:__init(inplace)
  self.inplace = inplace or false
end

function ReLU:updateOutput(input)
  return torch.relu(input)
end
