--- Divides each pixel by the root mean square of the pixels of all channels around it, weighted by
-- a kernel: Jarrett et al. 2009.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local local_mean = require 'nn.normalization.local_mean'
local norm = require 'nn.pooling.norm'
require 'nn.Module'

local SpatialDivisiveNormalization = torch.class('nn.SpatialDivisiveNormalization', 'nn.Module')

--- nInputPlane, kernel: see SpatialSubtractiveNormalization. Where the root is not above
-- `threshold`, 1e-4 by default, `thresval` takes its place, by default the threshold.
function SpatialDivisiveNormalization:__init(nInputPlane, kernel, threshold, thresval)
  local_mean.set(self, nInputPlane, kernel)
  self.threshold = threshold or 1e-4
  self.thresval = thresval or threshold or 1e-4
end

-- At the borders Torch7 divides the root, not the mean, by the weight of what is inside.
function SpatialDivisiveNormalization:updateOutput(input)
  local x, batched = space.check(input, 2, self.nInputPlane, self.kernel)
  return space.as_batch(function(batch)
    local mean, inside = local_mean.of(self, torch.square(batch))
    local root = torch.cdiv(norm.root(mean, 2), inside)
    return torch.cdiv(batch, torch.threshold(root, self.threshold, self.thresval))
  end, x, batched)
end
