--- The mean of each window of images (batch, channel, height, width), or of one without a batch.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local window = require 'nn.pooling.window'
require 'nn.Module'

local SpatialAveragePooling = torch.class('nn.SpatialAveragePooling', 'nn.Module')

--- Windows of kW x kH, dW and dH (1 by default) apart; padW, padH: zeros around the image, at most
-- half of a window, 0.
function SpatialAveragePooling:__init(kW, kH, dW, dH, padW, padH)
  window.set2(self, kW, kH, dW or 1, dH or 1, padW, padH)
  self.count_include_pad = true
  self.divide = true
end

window.rounds(SpatialAveragePooling)

--- Divides by the size of the window, padding and all, as it does by default.
function SpatialAveragePooling:setCountIncludePad()
  self.count_include_pad = true
  return self
end

--- Divides by the number of the window's elements that are inside of the image.
function SpatialAveragePooling:setCountExcludePad()
  self.count_include_pad = false
  return self
end

-- divide: false in old models that want the mean times kW * kH.
function SpatialAveragePooling:updateOutput(input)
  space.check(input, 2)
  local output = torch.avg_pool2d(input, {self.kH, self.kW}, {self.dH, self.dW},
    {self.padH or 0, self.padW or 0}, self.ceil_mode or false, self.count_include_pad ~= false)
  return self.divide == false and output * (self.kW * self.kH) or output
end

function SpatialAveragePooling:__tostring__()
  return window.text2(self)
end
