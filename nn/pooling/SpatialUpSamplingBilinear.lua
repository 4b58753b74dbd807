--- Images (batch, channel, height, width), or one without a batch, enlarged by interpolating
-- linearly along both dimensions; the corners stay what they are.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local resize = require 'nn.pooling.resize'
require 'nn.Module'

local SpatialUpSamplingBilinear = torch.class('nn.SpatialUpSamplingBilinear', 'nn.Module')

local NAMES = {'oheight', 'owidth'}

--- A whole factor, or a table {oheight = , owidth = } of sizes.
function SpatialUpSamplingBilinear:__init(params)
  resize.read(self, params, 'oheight', 'owidth')
end

function SpatialUpSamplingBilinear:updateOutput(input)
  local x, batched = space.check(input, 2)
  return space.as_batch(function(batch)
    return torch.interpolate(batch, resize.sizes(self, batch, 2, NAMES), nil, 'bilinear', true)
  end, x, batched)
end

SpatialUpSamplingBilinear.__tostring__ = resize.text
