--- Convolution of volumes (batch, channel, time, height, width), or of one without a batch, with
-- windows of kT x kH x kW. Sizes of the result: floor((size + 2 pad - k) / d) + 1.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
require 'nn.Module'

local VolumetricConvolution = torch.class('nn.VolumetricConvolution', 'nn.Module')

--- dT, dW, dH: steps, 1 by default. padT: 0 by default; padW: as padT; padH: as padW.
function VolumetricConvolution:__init(nInputPlane, nOutputPlane, kT, kW, kH, dT, dW, dH, padT, padW,
                                      padH)
  space.set(self, 1, 'nInputPlane nOutputPlane kT kW kH dT dW dH', nInputPlane, nOutputPlane, kT,
    kW, kH, dT or 1, dW or 1, dH or 1)
  space.set(self, 0, 'padT padW padH', padT or 0, padW or padT or 0, padH or padW or padT or 0)
  self:parameter('weight', nOutputPlane, nInputPlane, kT, kH, kW)
  self:parameter('bias', nOutputPlane)
  self:reset()
end

function VolumetricConvolution:reset(stdv)
  space.draw(self, self.kT * self.kW * self.kH * self.nInputPlane, stdv)
end

--- Drops the bias.
VolumetricConvolution.noBias = space.no_bias

-- Files of old keep the weight as a matrix.
function VolumetricConvolution:updateOutput(input)
  local weight = self.weight
  if weight:dim() == 2 then
    weight = weight:view(self.nOutputPlane, self.nInputPlane, self.kT, self.kH, self.kW)
  end
  return torch.conv3d(space.check(input, 3, self.nInputPlane, weight), weight, self.bias,
    {self.dT, self.dH, self.dW}, {self.padT or 0, self.padH or 0, self.padW or 0},
    {self.dilationT or 1, self.dilationH or 1, self.dilationW or 1}, self.groups or 1)
end

function VolumetricConvolution:__tostring__()
  return space.text(self, ('%d -> %d, %dx%dx%d'):format(self.nInputPlane, self.nOutputPlane,
    self.kT, self.kW, self.kH), 'dT=1 dW=1 dH=1', 'padT=0 padW=0 padH=0',
    self.dilationT and 'dilationT=1 dilationW=1 dilationH=1')
    .. (self.bias and '' or ' without bias')
end
