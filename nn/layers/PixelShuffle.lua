--- Channels laid out as pixels: (batch, c r r, y, x) becomes (batch, c, y r, x r). Shi et al. 2016.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local PixelShuffle = torch.class('nn.PixelShuffle', 'nn.Module')

--- upscaleFactor: r. The input may lack the batch.
function PixelShuffle:__init(upscaleFactor)
  dims.check_whole('PixelShuffle', 'upscaleFactor', upscaleFactor)
  self.upscaleFactor, self.upscaleFactorSquared = upscaleFactor, upscaleFactor * upscaleFactor
end

function PixelShuffle:updateOutput(input)
  dims.check(input, 3, 4)
  return torch.pixel_shuffle(input, self.upscaleFactor)
end

function PixelShuffle:__tostring__()
  return ('%s(%d)'):format(torch.type(self), self.upscaleFactor)
end
