--- Convolution of images in which not every input channel goes into every output channel.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local connections = require 'nn.convolutions.connections'
require 'nn.Module'

local SpatialConvolutionMap = torch.class('nn.SpatialConvolutionMap', 'nn.Module')

--- conMatrix: rows {input channel, output channel}, for example nn.tables.random(16, 32, 4).
-- dW, dH: steps, 1 by default.
function SpatialConvolutionMap:__init(conMatrix, kW, kH, dW, dH)
  space.set(self, 1, 'kW kH dW dH', kW, kH, dW or 1, dH or 1)
  connections.begin(self, conMatrix, kH, kW)
  self:reset()
end

function SpatialConvolutionMap:reset(stdv)
  connections.draw(self, stdv)
end

function SpatialConvolutionMap:updateOutput(input)
  input = space.check(input, 2, self.nInputPlane, self.weight)
  return torch.conv2d(input, connections.dense(self, 2), self.bias, {self.dH, self.dW})
end
