--- Each pixel of images (batch, channel, height, width), or of one without a batch, as a square of
-- scale x scale pixels.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
require 'nn.Module'

local SpatialUpSamplingNearest = torch.class('nn.SpatialUpSamplingNearest', 'nn.Module')

--- scale: a whole number.
function SpatialUpSamplingNearest:__init(scale)
  space.set(self, 1, 'scale_factor', scale)
end

function SpatialUpSamplingNearest:updateOutput(input)
  local x, batched = space.check(input, 2)
  return space.as_batch(function(batch)
    return torch.interpolate(batch, nil, self.scale_factor, 'nearest')
  end, x, batched)
end

function SpatialUpSamplingNearest:__tostring__()
  return ('%s(%d)'):format(torch.type(self), self.scale_factor)
end
