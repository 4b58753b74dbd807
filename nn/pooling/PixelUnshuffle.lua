--- Pixels laid out as channels: (..., channel, height * r, width * r) becomes (..., channel * r *
-- r, height, width). The reverse of PixelShuffle.
local torch = require 'torch'
local arguments = require 'nn.convolutions.arguments'
require 'nn.Module'

local PixelUnshuffle = torch.class('nn.PixelUnshuffle', 'nn.Module')

--- downscale_factor: r.
function PixelUnshuffle:__init(downscale_factor)
  self.downscale_factor = arguments.whole(self, 'downscale_factor', downscale_factor, 1)
end

function PixelUnshuffle:updateOutput(input)
  return torch.pixel_unshuffle(input, self.downscale_factor)
end

function PixelUnshuffle:__tostring__()
  return arguments.call(self, 'downscale_factor', {})
end
