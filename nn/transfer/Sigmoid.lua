--- 1 / (1 + exp(-x)) of each element.
local torch = require 'torch'
require 'nn.Module'

local Sigmoid = torch.class('nn.Sigmoid', 'nn.Module')

function Sigmoid:updateOutput(input)
  return torch.sigmoid(input)
end
