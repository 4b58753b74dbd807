--- Convolution of images (batch, channel, height, width), or of one without a batch: each output is
-- a weighted sum over a window kW wide and kH high. The image has padW columns and padH rows of
-- zeros around it. Sizes of the result: floor((size + 2 pad - k) / d) + 1.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
require 'nn.Module'

local SpatialConvolution = torch.class('nn.SpatialConvolution', 'nn.Module')

--- nInputPlane, nOutputPlane: channels. dW, dH: steps of the window, 1 by default. padW: 0 by
-- default; padH: as padW.
function SpatialConvolution:__init(nInputPlane, nOutputPlane, kW, kH, dW, dH, padW, padH)
  space.set(self, 1, 'nInputPlane nOutputPlane kW kH dW dH', nInputPlane, nOutputPlane, kW, kH,
    dW or 1, dH or 1)
  space.set(self, 0, 'padW padH', padW or 0, padH or padW or 0)
  self:parameter('weight', nOutputPlane, nInputPlane, kH, kW)
  self:parameter('bias', nOutputPlane)
  self:reset()
end

function SpatialConvolution:reset(stdv)
  space.draw(self, self.kW * self.kH * self.nInputPlane, stdv)
end

--- Drops the bias.
SpatialConvolution.noBias = space.no_bias

-- Files of old keep the weight as a matrix, or one padding for both sides; cudnn's layers have
-- groups.
function SpatialConvolution:updateOutput(input)
  local weight, padding = self.weight, self.padding or 0
  if weight:dim() == 2 then
    local inputs = self.nInputPlane / (self.groups or 1)
    weight = weight:view(self.nOutputPlane, inputs, self.kH, self.kW)
  end
  return torch.conv2d(space.check(input, 2, self.nInputPlane, weight), weight, self.bias,
    {self.dH, self.dW}, {self.padH or padding, self.padW or padding},
    {self.dilationH or 1, self.dilationW or 1}, self.groups or 1)
end

function SpatialConvolution:__tostring__()
  return space.text(self, ('%d -> %d, %dx%d'):format(self.nInputPlane, self.nOutputPlane, self.kW,
    self.kH), 'dW=1 dH=1', 'padW=0 padH=0', self.dilationW and 'dilationW=1 dilationH=1')
    .. (self.bias and '' or ' without bias')
end
