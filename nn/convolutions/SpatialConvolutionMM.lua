--- SpatialConvolution with its weight as a matrix, (output channels, input channels * kH * kW).
local torch = require 'torch'
require 'nn.convolutions.SpatialConvolution'

local SpatialConvolutionMM, parent = torch.class('nn.SpatialConvolutionMM', 'nn.SpatialConvolution')

--- See SpatialConvolution.
function SpatialConvolutionMM:__init(...)
  parent.__init(self, ...)
  self:parameter('weight', self.nOutputPlane, self.nInputPlane * self.kH * self.kW)
  self:reset()
end
