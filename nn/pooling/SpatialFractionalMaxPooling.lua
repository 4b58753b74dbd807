--- Greatest values under windows whose places are drawn by lot, so that an image can shrink by any
-- ratio: Graham, Fractional Max-Pooling, 2014.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local window = require 'nn.pooling.window'
local fractional = require 'nn.pooling.fractional'
require 'nn.Module'

local SpatialFractionalMaxPooling, parent =
  torch.class('nn.SpatialFractionalMaxPooling', 'nn.Module')

--- poolSizeW, poolSizeH: the window. The others: width and height of the result, or from 0 to 1
-- their ratio to the input's.
function SpatialFractionalMaxPooling:__init(poolSizeW, poolSizeH, arg1, arg2)
  fractional.set(self, {'W', 'H'}, {poolSizeW, poolSizeH}, {arg1, arg2})
end

fractional.fixes(SpatialFractionalMaxPooling)
window.forgets_indices(SpatialFractionalMaxPooling, parent)

function SpatialFractionalMaxPooling:updateOutput(input)
  local x, batched = space.check(input, 2)
  return space.as_batch(function(batch)
    return fractional.pool(self, batch, {'H', 'W'}, {2, 1})
  end, x, batched)
end
