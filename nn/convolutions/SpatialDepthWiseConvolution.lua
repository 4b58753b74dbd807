--- Convolution of each channel by itself, with nOutputPlane kernels of its own: the result has
-- nInputPlane * nOutputPlane channels, those of the first input channel first.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
require 'nn.Module'

local SpatialDepthWiseConvolution = torch.class('nn.SpatialDepthWiseConvolution', 'nn.Module')

--- nOutputPlane: results of each input channel. dW, dH: 1 by default; padW: 0; padH: as padW.
function SpatialDepthWiseConvolution:__init(nInputPlane, nOutputPlane, kW, kH, dW, dH, padW, padH)
  space.set(self, 1, 'nInputPlane nOutputPlane kW kH dW dH', nInputPlane, nOutputPlane, kW, kH,
    dW or 1, dH or 1)
  space.set(self, 0, 'padW padH', padW or 0, padH or padW or 0)
  self:parameter('weight', nOutputPlane, nInputPlane, kH, kW)
  self:parameter('bias', nOutputPlane, nInputPlane)
  self:reset()
end

function SpatialDepthWiseConvolution:reset(stdv)
  space.draw(self, self.kW * self.kH * self.nInputPlane, stdv)
end

--- Drops the bias.
SpatialDepthWiseConvolution.noBias = space.no_bias

-- Torch7 has the kernels (output, input, height, width): those of one input channel come together.
function SpatialDepthWiseConvolution:updateOutput(input)
  input = space.check(input, 2, self.nInputPlane, self.weight)
  local planes = self.nInputPlane * self.nOutputPlane
  local weight = self.weight:transpose(1, 2):reshape(planes, 1, self.kH, self.kW)
  local bias = self.bias and self.bias:t():reshape(planes)
  return torch.conv2d(input, weight, bias, {self.dH, self.dW}, {self.padH, self.padW}, 1,
    self.nInputPlane)
end

function SpatialDepthWiseConvolution:__tostring__()
  return space.text(self, ('%d -> %d, %dx%d'):format(self.nInputPlane, self.nOutputPlane, self.kW,
    self.kH), 'dW=1 dH=1', 'padW=0 padH=0') .. (self.bias and '' or ' without bias')
end
