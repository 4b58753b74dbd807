--- In training drops each feature map with probability p; in use scales all by 1 - p.
-- Input: (batch, feature, t, y, x) or (feature, t, y, x).
local torch = require 'torch'
local feature_dropout = require 'nn.layers.feature_dropout'

local VolumetricDropout = torch.class('nn.VolumetricDropout', 'nn.SpatialDropout')

function VolumetricDropout:updateOutput(input)
  return feature_dropout.apply(self, input, 3)
end
