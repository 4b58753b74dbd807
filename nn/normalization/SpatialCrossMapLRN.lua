--- Normalization by neighbouring channels of images (batch, channel, height, width), or of one
-- without a batch: x / (k + alpha / size * sum of x^2 over `size` channels)^beta. Krizhevsky et
-- al. 2012.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local across_channels = require 'nn.normalization.across_channels'
require 'nn.Module'

local SpatialCrossMapLRN = torch.class('nn.SpatialCrossMapLRN', 'nn.Module')

--- By default alpha = 1e-4, beta = 0.75, k = 1.
function SpatialCrossMapLRN:__init(size, alpha, beta, k)
  space.set(self, 1, 'size', size)
  self.alpha, self.beta, self.k = alpha or 1e-4, beta or 0.75, k or 1
end

-- As many channels below as above, so that an even size looks at one less.
function SpatialCrossMapLRN:updateOutput(input)
  local x, batched = space.check(input, 2)
  local half = math.floor((self.size - 1) / 2)
  return space.as_batch(function(batch)
    return across_channels.normalize(batch, half, half, self.size, self.alpha, self.beta, self.k)
  end, x, batched)
end

function SpatialCrossMapLRN:__tostring__()
  return ('%s(%d, %g, %g, %g)'):format(torch.type(self), self.size, self.alpha, self.beta, self.k)
end
