--- x moved towards 0 by lambda, 0 where its absolute value is below.
local torch = require 'torch'
require 'nn.Module'

local SoftShrink = torch.class('nn.SoftShrink', 'nn.Module')

function SoftShrink:__init(lambda)
  self.lambda = lambda or 0.5
end

function SoftShrink:updateOutput(input)
  return torch.softshrink(input, self.lambda)
end
