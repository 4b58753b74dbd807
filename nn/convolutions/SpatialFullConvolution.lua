--- Transposed convolution of images: each input adds its kernel, kW wide and kH high, to a larger
-- result. Sizes: (size - 1) d - 2 pad + k + adj.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local target_size = require 'nn.convolutions.target_size'
require 'nn.Module'

local SpatialFullConvolution = torch.class('nn.SpatialFullConvolution', 'nn.Module')

--- dW, dH: steps, 1 by default. padW, padH: what is cut off, 0. adjW, adjH: what is added to the
-- sizes, less than dW and dH, 0. With an input {input, target}, the result gets the target's sizes.
function SpatialFullConvolution:__init(nInputPlane, nOutputPlane, kW, kH, dW, dH, padW, padH, adjW,
                                       adjH)
  space.set(self, 1, 'nInputPlane nOutputPlane kW kH dW dH', nInputPlane, nOutputPlane, kW, kH,
    dW or 1, dH or 1)
  space.set(self, 0, 'padW padH adjW adjH', padW or 0, padH or 0, adjW or 0, adjH or 0)
  if self.adjW > self.dW - 1 or self.adjH > self.dH - 1 then
    error(('%s: adjW and adjH must be smaller than dW = %d and dH = %d, got %d and %d'):format(
      torch.type(self), self.dW, self.dH, self.adjW, self.adjH), 0)
  end
  self:parameter('weight', nInputPlane, nOutputPlane, kH, kW)
  self:parameter('bias', nOutputPlane)
  self:reset()
end

function SpatialFullConvolution:reset(stdv)
  space.draw(self, self.kW * self.kH * self.nInputPlane, stdv)
end

--- Drops the bias.
SpatialFullConvolution.noBias = space.no_bias

function SpatialFullConvolution:updateOutput(input)
  local adjH, adjW = self.adjH, self.adjW
  if type(input) == 'table' then
    adjH, adjW = target_size.extra(self, input, 'H', 'W')
    input = input[1]
  end
  input = space.check(input, 2, self.nInputPlane, self.weight)
  return torch.conv_transpose2d(input, self.weight, self.bias, {self.dH, self.dW},
    {self.padH, self.padW}, {adjH, adjW})
end

function SpatialFullConvolution:__tostring__()
  local adjusted = self.adjW ~= 0 or self.adjH ~= 0
  return space.text(self, ('%d -> %d, %dx%d'):format(self.nInputPlane, self.nOutputPlane, self.kW,
    self.kH), 'dW=1 dH=1', 'padW=0 padH=0', adjusted and 'adjW=0 adjH=0')
    .. (self.bias and '' or ' without bias')
end
