--- SpatialFractionalMaxPooling of volumes (batch, channel, time, height, width).
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local window = require 'nn.pooling.window'
local fractional = require 'nn.pooling.fractional'
require 'nn.Module'

local VolumetricFractionalMaxPooling, parent =
  torch.class('nn.VolumetricFractionalMaxPooling', 'nn.Module')

--- The window's sizes; then the result's sizes (time, width, height), or from 0 to 1 their ratios
-- to the input's.
function VolumetricFractionalMaxPooling:__init(poolSizeT, poolSizeW, poolSizeH, arg1, arg2, arg3)
  fractional.set(self, {'T', 'W', 'H'}, {poolSizeT, poolSizeW, poolSizeH}, {arg1, arg2, arg3})
end

fractional.fixes(VolumetricFractionalMaxPooling)
window.forgets_indices(VolumetricFractionalMaxPooling, parent)

function VolumetricFractionalMaxPooling:updateOutput(input)
  local x, batched = space.check(input, 3)
  return space.as_batch(function(batch)
    return fractional.pool(self, batch, {'T', 'H', 'W'}, {1, 3, 2})
  end, x, batched)
end
