--- Transposed convolution of volumes (batch, channel, time, height, width). Sizes of the result:
-- (size - 1) d - 2 pad + k + adj.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local target_size = require 'nn.convolutions.target_size'
require 'nn.Module'

local VolumetricFullConvolution = torch.class('nn.VolumetricFullConvolution', 'nn.Module')

--- dT, dW, dH: steps, 1 by default. padT, padW, padH: what is cut off, 0. adjT, adjW, adjH: what is
-- added to the sizes, less than the steps, 0. With an input {input, target}, the result gets the
-- target's sizes.
function VolumetricFullConvolution:__init(nInputPlane, nOutputPlane, kT, kW, kH, dT, dW, dH, padT,
                                          padW, padH, adjT, adjW, adjH)
  space.set(self, 1, 'nInputPlane nOutputPlane kT kW kH dT dW dH', nInputPlane, nOutputPlane, kT,
    kW, kH, dT or 1, dW or 1, dH or 1)
  space.set(self, 0, 'padT padW padH adjT adjW adjH', padT or 0, padW or 0, padH or 0, adjT or 0,
    adjW or 0, adjH or 0)
  if self.adjT >= self.dT or self.adjW >= self.dW or self.adjH >= self.dH then
    error(('%s: adjT, adjW and adjH must be smaller than dT = %d, dW = %d and dH = %d, got %d, %d '
      .. 'and %d'):format(torch.type(self), self.dT, self.dW, self.dH, self.adjT, self.adjW,
      self.adjH), 0)
  end
  self:parameter('weight', nInputPlane, nOutputPlane, kT, kH, kW)
  self:parameter('bias', nOutputPlane)
  self:reset()
end

function VolumetricFullConvolution:reset(stdv)
  space.draw(self, self.kT * self.kW * self.kH * self.nInputPlane, stdv)
end

--- Drops the bias.
VolumetricFullConvolution.noBias = space.no_bias

function VolumetricFullConvolution:updateOutput(input)
  local adjT, adjH, adjW = self.adjT, self.adjH, self.adjW
  if type(input) == 'table' then
    adjT, adjH, adjW = target_size.extra(self, input, 'T', 'H', 'W')
    input = input[1]
  end
  input = space.check(input, 3, self.nInputPlane, self.weight)
  return torch.conv_transpose3d(input, self.weight, self.bias, {self.dT, self.dH, self.dW},
    {self.padT, self.padH, self.padW}, {adjT, adjH, adjW})
end

function VolumetricFullConvolution:__tostring__()
  local adjusted = self.adjT ~= 0 or self.adjW ~= 0 or self.adjH ~= 0
  return space.text(self, ('%d -> %d, %dx%dx%d'):format(self.nInputPlane, self.nOutputPlane,
    self.kT, self.kW, self.kH), 'dT=1 dW=1 dH=1', 'padT=0 padW=0 padH=0',
    adjusted and 'adjT=0 adjW=0 adjH=0') .. (self.bias and '' or ' without bias')
end
