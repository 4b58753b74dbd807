--- The greatest values of H x W parts that cover the image evenly, whatever its size. `indices` as
-- of SpatialMaxPooling.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local window = require 'nn.pooling.window'
require 'nn.Module'

local SpatialAdaptiveMaxPooling, parent = torch.class('nn.SpatialAdaptiveMaxPooling', 'nn.Module')

--- W, H: width and height of the result.
function SpatialAdaptiveMaxPooling:__init(W, H)
  space.set(self, 1, 'W H', W, H)
end

window.forgets_indices(SpatialAdaptiveMaxPooling, parent)

function SpatialAdaptiveMaxPooling:updateOutput(input)
  space.check(input, 2)
  local output, indices = torch.adaptive_max_pool2d(input, {self.H, self.W})
  self.indices = indices
  return output
end
