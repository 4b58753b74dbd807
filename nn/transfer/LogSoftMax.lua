--- Logarithm of SoftMax, without overflow: log-probabilities of classes.
local torch = require 'torch'

local LogSoftMax = torch.class('nn.LogSoftMax', 'nn.SoftMax')

function LogSoftMax:updateOutput(input)
  return torch.log_softmax(input, self:dimension_of(input))
end
