--- The mean of each window of volumes (batch, channel, time, height, width), or of one without a
-- batch.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local window = require 'nn.pooling.window'
require 'nn.pooling.SpatialAveragePooling'

local VolumetricAveragePooling = torch.class('nn.VolumetricAveragePooling', 'nn.Module')

--- Windows of kT x kW x kH, dT, dW and dH apart: by default side by side. padT, padW, padH: zeros
-- around the volume, at most half of a window, 0.
function VolumetricAveragePooling:__init(kT, kW, kH, dT, dW, dH, padT, padW, padH)
  window.set3(self, kT, kW, kH, dT or kT, dW or kW, dH or kH, padT, padW, padH)
  self.count_include_pad = true
end

window.rounds(VolumetricAveragePooling)

local spatial = torch.getmetatable('nn.SpatialAveragePooling')
VolumetricAveragePooling.setCountIncludePad = spatial.setCountIncludePad
VolumetricAveragePooling.setCountExcludePad = spatial.setCountExcludePad

function VolumetricAveragePooling:updateOutput(input)
  space.check(input, 3)
  return torch.avg_pool3d(input, {self.kT, self.kH, self.kW}, {self.dT, self.dH, self.dW},
    {self.padT or 0, self.padH or 0, self.padW or 0}, self.ceil_mode or false,
    self.count_include_pad ~= false)
end

function VolumetricAveragePooling:__tostring__()
  return window.text3(self)
end
