--- The smallest elements along a dimension, which disappears.
local torch = require 'torch'
local extreme = require 'nn.layers.extreme'

local Min = torch.class('nn.Min', 'nn.Max')

function Min:updateOutput(input)
  return extreme.apply(self, torch.min, input)
end
