--- Logarithm of SoftMax, without overflow: log-probabilities of classes.
local torch = require 'torch'
require 'nn.Module'

local LogSoftMax = torch.class('nn.LogSoftMax', 'nn.Module')

--- Of (class), (batch, class), (class, y, x) or (batch, class, y, x), as in Torch7.
function LogSoftMax:updateOutput(input)
  return torch.log_softmax(input, input:dim() % 2 == 1 and 1 or 2)
end
