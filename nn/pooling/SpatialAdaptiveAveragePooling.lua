--- The means of H x W parts that cover the image evenly, whatever its size.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
require 'nn.Module'

local SpatialAdaptiveAveragePooling = torch.class('nn.SpatialAdaptiveAveragePooling', 'nn.Module')

--- W, H: width and height of the result.
function SpatialAdaptiveAveragePooling:__init(W, H)
  space.set(self, 1, 'W H', W, H)
end

function SpatialAdaptiveAveragePooling:updateOutput(input)
  space.check(input, 2)
  return torch.adaptive_avg_pool2d(input, {self.H, self.W})
end
