--- The greatest value under each window of volumes (batch, channel, time, height, width), or of one
-- without a batch. `indices` tells where in its channel each was, counting along the width first.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local window = require 'nn.pooling.window'
require 'nn.Module'

local VolumetricMaxPooling, parent = torch.class('nn.VolumetricMaxPooling', 'nn.Module')

--- Windows of kT x kW x kH, dT, dW and dH apart: by default side by side. padT, padW, padH: around
-- the volume, at most half of a window, 0.
function VolumetricMaxPooling:__init(kT, kW, kH, dT, dW, dH, padT, padW, padH)
  window.set3(self, kT, kW, kH, dT or kT, dW or kW, dH or kH, padT, padW, padH)
end

window.rounds(VolumetricMaxPooling)
window.forgets_indices(VolumetricMaxPooling, parent)

-- itime, iheight and iwidth are for VolumetricMaxUnpooling.
function VolumetricMaxPooling:updateOutput(input)
  space.check(input, 3)
  self.itime, self.iheight, self.iwidth = input:size(-3), input:size(-2), input:size(-1)
  local output, indices = torch.max_pool3d(input, {self.kT, self.kH, self.kW},
    {self.dT, self.dH, self.dW}, {self.padT or 0, self.padH or 0, self.padW or 0},
    {self.dilationT or 1, self.dilationH or 1, self.dilationW or 1}, self.ceil_mode or false)
  self.indices = indices
  return output
end

function VolumetricMaxPooling:__tostring__()
  return window.text3(self, self.dilationT and 'dilationT=1 dilationW=1 dilationH=1')
end
