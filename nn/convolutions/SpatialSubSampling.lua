--- Sums over windows of images (batch, channel, height, width), or of one without a batch; each
-- channel times its weight and plus its bias.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
require 'nn.Module'

local SpatialSubSampling = torch.class('nn.SpatialSubSampling', 'nn.Module')

--- Windows of kW x kH, dW and dH (1 by default) apart.
function SpatialSubSampling:__init(nInputPlane, kW, kH, dW, dH)
  space.set(self, 1, 'nInputPlane kW kH dW dH', nInputPlane, kW, kH, dW or 1, dH or 1)
  self:parameter('weight', nInputPlane)
  self:parameter('bias', nInputPlane)
  self:reset()
end

function SpatialSubSampling:reset(stdv)
  space.draw(self, self.kW * self.kH, stdv)
end

function SpatialSubSampling:updateOutput(input)
  input = space.check(input, 2, self.nInputPlane, self.weight)
  local sums = torch.avg_pool2d(input, {self.kH, self.kW}, {self.dH, self.dW}, 0, false, true, 1)
  return torch.cmul(sums, self.weight:view(-1, 1, 1)) + self.bias:view(-1, 1, 1)
end

function SpatialSubSampling:__tostring__()
  return space.text(self, ('%d, %dx%d'):format(self.nInputPlane, self.kW, self.kH),
    'dW=1 dH=1', '')
end
