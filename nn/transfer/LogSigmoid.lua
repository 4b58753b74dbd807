--- Logarithm of Sigmoid, without overflow.
local torch = require 'torch'
require 'nn.Module'

local LogSigmoid = torch.class('nn.LogSigmoid', 'nn.Module')

function LogSigmoid:updateOutput(input)
  return torch.logsigmoid(input)
end
