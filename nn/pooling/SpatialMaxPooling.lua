--- The greatest value under each window of images (batch, channel, height, width), or of one
-- without a batch. `indices` tells where in its channel each was: (row - 1) * width + column.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local window = require 'nn.pooling.window'
require 'nn.Module'

local SpatialMaxPooling, parent = torch.class('nn.SpatialMaxPooling', 'nn.Module')

--- Windows of kW x kH, dW and dH apart: by default side by side. padW, padH: rows and columns
-- around the image, at most half of a window, which are never the greatest; 0.
function SpatialMaxPooling:__init(kW, kH, dW, dH, padW, padH)
  window.set2(self, kW, kH, dW or kW, dH or kH, padW, padH)
end

window.rounds(SpatialMaxPooling)
window.forgets_indices(SpatialMaxPooling, parent)

-- iheight and iwidth are for SpatialMaxUnpooling.
function SpatialMaxPooling:updateOutput(input)
  space.check(input, 2)
  self.iheight, self.iwidth = input:size(-2), input:size(-1)
  local output, indices = torch.max_pool2d(input, {self.kH, self.kW}, {self.dH, self.dW},
    {self.padH or 0, self.padW or 0}, {self.dilationH or 1, self.dilationW or 1},
    self.ceil_mode or false)
  self.indices = indices
  return output
end

function SpatialMaxPooling:__tostring__()
  return window.text2(self, self.dilationW and 'dilationW=1 dilationH=1')
end
