--- In training drops each feature map with probability p; in use scales all by 1 - p.
-- Input: (batch, feature, y, x) or (feature, y, x).
local torch = require 'torch'
local feature_dropout = require 'nn.layers.feature_dropout'

local SpatialDropout = torch.class('nn.SpatialDropout', 'nn.Dropout')

--- stochasticInference: drop when in use, too.
function SpatialDropout:__init(p, stochasticInference)
  self:setp(p or 0.5)
  self.train = true
  self.stochastic_inference = stochasticInference or false
end

function SpatialDropout:updateOutput(input)
  return feature_dropout.apply(self, input, 2)
end
