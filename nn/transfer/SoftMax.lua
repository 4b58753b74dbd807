--- Numbers above 0 that add up to 1, from any numbers: exp(x) / sum(exp(x)).
local torch = require 'torch'
require 'nn.Module'

local SoftMax = torch.class('nn.SoftMax', 'nn.Module')

--- Of (class), (batch, class), (class, y, x) or (batch, class, y, x), as in Torch7.
function SoftMax:updateOutput(input)
  return torch.softmax(input, input:dim() % 2 == 1 and 1 or 2)
end
