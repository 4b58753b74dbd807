--- Subtracts from each pixel the mean of the pixels of all channels around it, weighted by a
-- kernel: Jarrett et al. 2009. At the borders the mean is that of the pixels that are there.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local local_mean = require 'nn.normalization.local_mean'
require 'nn.Module'

local SpatialSubtractiveNormalization =
  torch.class('nn.SpatialSubtractiveNormalization', 'nn.Module')

--- nInputPlane: channels, 1 by default. kernel: a matrix of odd sizes, or a vector for both
-- dimensions; by default 9 x 9 ones.
function SpatialSubtractiveNormalization:__init(nInputPlane, kernel)
  local_mean.set(self, nInputPlane, kernel)
end

function SpatialSubtractiveNormalization:updateOutput(input)
  local x, batched = space.check(input, 2, self.nInputPlane, self.kernel)
  return space.as_batch(function(batch)
    local mean, inside = local_mean.of(self, batch)
    return batch - torch.cdiv(mean, inside)
  end, x, batched)
end
