--- Normalization by neighbouring channels of (batch, channel, ...), with PyTorch's arguments:
-- x / (k + alpha / size * sum of x^2 over `size` channels)^beta. Krizhevsky et al. 2012.
local torch = require 'torch'
local arguments = require 'nn.convolutions.arguments'
local across_channels = require 'nn.normalization.across_channels'
require 'nn.Module'

local LocalResponseNorm = torch.class('nn.LocalResponseNorm', 'nn.Module')

--- size; alpha = 1e-4; beta = 0.75; k = 1.
function LocalResponseNorm:__init(...)
  local given = arguments.read(self, 'size alpha beta k', ...)
  self.size = arguments.whole(self, 'size', given.size, 1)
  self.alpha, self.beta, self.k = given.alpha or 1e-4, given.beta or 0.75, given.k or 1
end

-- Of an even size there is one channel more below than above.
function LocalResponseNorm:updateOutput(input)
  if input:dim() < 3 then
    error(('input has %d dimensions, expected 3 or more (batch, channel, ...)'):format(
      input:dim()), 0)
  end
  return across_channels.normalize(input, math.floor(self.size / 2),
    math.floor((self.size - 1) / 2), self.size, self.alpha, self.beta, self.k)
end

function LocalResponseNorm:__tostring__()
  return arguments.call(self, 'size', {'alpha', 1e-4, 'beta', 0.75, 'k', 1})
end
