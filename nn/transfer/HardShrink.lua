--- x where its absolute value is above lambda, else 0.
local torch = require 'torch'
require 'nn.Module'

local HardShrink = torch.class('nn.HardShrink', 'nn.Module')

function HardShrink:__init(lambda)
  self.lambda = lambda or 0.5
end

function HardShrink:updateOutput(input)
  return torch.hardshrink(input, self.lambda)
end
