--- SpatialConvolution whose window has gaps: its elements are dilationW columns and dilationH rows
-- apart (Yu and Koltun 2016).
local torch = require 'torch'
local space = require 'nn.convolutions.space'
require 'nn.convolutions.SpatialConvolution'

local SpatialDilatedConvolution, parent =
  torch.class('nn.SpatialDilatedConvolution', 'nn.SpatialConvolution')

--- dilationW: 1 by default; dilationH: as dilationW.
function SpatialDilatedConvolution:__init(nInputPlane, nOutputPlane, kW, kH, dW, dH, padW, padH,
                                          dilationW, dilationH)
  space.set(self, 1, 'dilationW dilationH', dilationW or 1, dilationH or dilationW or 1)
  parent.__init(self, nInputPlane, nOutputPlane, kW, kH, dW, dH, padW, padH)
end
