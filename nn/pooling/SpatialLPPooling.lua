--- The p-norm of each window, (sum x^p)^(1/p), of images (batch, channel, height, width).
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local norm = require 'nn.pooling.norm'
require 'nn.Module'

local SpatialLPPooling = torch.class('nn.SpatialLPPooling', 'nn.Module')

--- pnorm: p, 2 by default. Windows of kW x kH, dW and dH apart: by default side by side.
function SpatialLPPooling:__init(nInputPlane, pnorm, kW, kH, dW, dH)
  space.set(self, 1, 'nInputPlane kW kH dW dH', nInputPlane, kW, kH, dW or kW, dH or kH)
  self.pnorm = pnorm or 2
end

function SpatialLPPooling:updateOutput(input)
  space.check(input, 2, self.nInputPlane)
  local sums = torch.avg_pool2d(norm.power(input, self.pnorm), {self.kH, self.kW},
    {self.dH, self.dW}, 0, false, true, 1)
  return norm.root(sums, self.pnorm)
end
