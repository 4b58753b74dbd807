--- As SpatialConvolution, but with a kernel and a bias of its own at every position, so that the
-- size of the images must be known: iW x iH.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
require 'nn.Module'

local SpatialConvolutionLocal = torch.class('nn.SpatialConvolutionLocal', 'nn.Module')

--- iW, iH: sizes of the images; the others as of SpatialConvolution.
function SpatialConvolutionLocal:__init(nInputPlane, nOutputPlane, iW, iH, kW, kH, dW, dH, padW,
                                        padH)
  space.set(self, 1, 'nInputPlane nOutputPlane iW iH kW kH dW dH', nInputPlane, nOutputPlane, iW,
    iH, kW, kH, dW or 1, dH or 1)
  space.set(self, 0, 'padW padH', padW or 0, padH or padW or 0)
  local oW = math.floor((self.padW * 2 + iW - kW) / self.dW) + 1
  local oH = math.floor((self.padH * 2 + iH - kH) / self.dH) + 1
  space.set(self, 1, 'oW oH', oW, oH)
  self:parameter('weight', oH, oW, nOutputPlane, nInputPlane, kH, kW)
  self:parameter('bias', nOutputPlane, oH, oW)
  self:reset()
end

function SpatialConvolutionLocal:reset(stdv)
  space.draw(self, self.kW * self.kH * self.nInputPlane, stdv)
end

-- (position, output, window) times (position, window, batch).
function SpatialConvolutionLocal:updateOutput(input)
  local batched
  input, batched = space.check(input, 2, self.nInputPlane, self.weight)
  local height, width = input:size(-2), input:size(-1)
  if height ~= self.iH or width ~= self.iW then
    error(('input has images of %dx%d (height x width), expected %dx%d'):format(height, width,
      self.iH, self.iW), 0)
  end
  return space.as_batch(function(batch)
    local columns = torch.im2col(batch, {self.kH, self.kW}, 1, {self.padH, self.padW},
      {self.dH, self.dW})
    local weight = self.weight:reshape(self.oH * self.oW, self.nOutputPlane, columns:size(2))
    local output = torch.bmm(weight, columns:permute(3, 2, 1)):permute(3, 2, 1)
    return output:reshape(batch:size(1), self.nOutputPlane, self.oH, self.oW) + self.bias
  end, input, batched)
end

function SpatialConvolutionLocal:__tostring__()
  return space.text(self, ('%d -> %d, %dx%d, %dx%d'):format(self.nInputPlane, self.nOutputPlane,
    self.iW, self.iH, self.kW, self.kH), 'dW=1 dH=1', 'padW=0 padH=0')
end
