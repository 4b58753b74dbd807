--- SpatialFullConvolution in which not every input channel goes into every output channel.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local connections = require 'nn.convolutions.connections'
require 'nn.Module'

local SpatialFullConvolutionMap = torch.class('nn.SpatialFullConvolutionMap', 'nn.Module')

--- conMatrix: rows {input channel, output channel}. dW, dH: steps, 1 by default.
function SpatialFullConvolutionMap:__init(conMatrix, kW, kH, dW, dH)
  space.set(self, 1, 'kW kH dW dH', kW, kH, dW or 1, dH or 1)
  connections.begin(self, conMatrix, kH, kW)
  self:reset()
end

function SpatialFullConvolutionMap:reset(stdv)
  connections.draw(self, stdv)
end

function SpatialFullConvolutionMap:updateOutput(input)
  input = space.check(input, 2, self.nInputPlane, self.weight)
  return torch.conv_transpose2d(input, connections.dense(self, 1), self.bias, {self.dH, self.dW})
end
