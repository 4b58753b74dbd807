--- SpatialMaxPooling whose window has gaps: its elements are dilationW columns and dilationH rows
-- apart.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
require 'nn.pooling.SpatialMaxPooling'

local SpatialDilatedMaxPooling, parent =
  torch.class('nn.SpatialDilatedMaxPooling', 'nn.SpatialMaxPooling')

--- dilationW: 1 by default; dilationH: as dilationW.
function SpatialDilatedMaxPooling:__init(kW, kH, dW, dH, padW, padH, dilationW, dilationH)
  space.set(self, 1, 'dilationW dilationH', dilationW or 1, dilationH or dilationW or 1)
  parent.__init(self, kW, kH, dW, dH, padW, padH)
end
