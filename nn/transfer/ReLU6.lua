--- Each element limited to [0, 6].
local torch = require 'torch'
require 'nn.Module'

local ReLU6 = torch.class('nn.ReLU6', 'nn.Module')

--- inplace: accepted for Torch7's sake; the input is never written to.
function ReLU6:__init(inplace)
  self.inplace = inplace or false
end

function ReLU6:updateOutput(input)
  return torch.relu6(input)
end
