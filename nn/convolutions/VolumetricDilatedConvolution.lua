--- VolumetricConvolution whose window has gaps: its elements are dilationT, dilationH and dilationW
-- apart.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
require 'nn.convolutions.VolumetricConvolution'

local VolumetricDilatedConvolution, parent =
  torch.class('nn.VolumetricDilatedConvolution', 'nn.VolumetricConvolution')

--- dilationT, dilationW, dilationH: 1 by default.
function VolumetricDilatedConvolution:__init(nInputPlane, nOutputPlane, kT, kW, kH, dT, dW, dH,
                                             padT, padW, padH, dilationT, dilationW, dilationH)
  space.set(self, 1, 'dilationT dilationW dilationH', dilationT or 1, dilationW or 1,
    dilationH or 1)
  parent.__init(self, nInputPlane, nOutputPlane, kT, kW, kH, dT, dW, dH, padT, padW, padH)
end
