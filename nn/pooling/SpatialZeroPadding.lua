--- Zeros around images (batch, channel, height, width), or one without a batch; negative numbers
-- cut off.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local border = require 'nn.pooling.border'
require 'nn.Module'

local SpatialZeroPadding = torch.class('nn.SpatialZeroPadding', 'nn.Module')

--- Columns at the left and at the right, rows at the top and at the bottom; by default as many as
-- at the left.
function SpatialZeroPadding:__init(pad_l, pad_r, pad_t, pad_b)
  border.read(self, {'pad_l', 'pad_r', 'pad_t', 'pad_b'}, pad_l, pad_r, pad_t, pad_b)
end

SpatialZeroPadding.mode = 'constant'

function SpatialZeroPadding:updateOutput(input)
  space.check(input, 2)
  return border.pad(input, {self.pad_l, self.pad_r, self.pad_t, self.pad_b}, self.mode)
end

function SpatialZeroPadding:__tostring__()
  return ('%s(l=%d, r=%d, t=%d, b=%d)'):format(torch.type(self), self.pad_l, self.pad_r,
    self.pad_t, self.pad_b)
end
