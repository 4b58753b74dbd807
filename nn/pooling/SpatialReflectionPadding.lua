--- The image mirrored at its borders, without repeating the outermost pixels; negative numbers cut
-- off. Constructor and fields are SpatialZeroPadding's.
local torch = require 'torch'
require 'nn.pooling.SpatialZeroPadding'

local SpatialReflectionPadding =
  torch.class('nn.SpatialReflectionPadding', 'nn.SpatialZeroPadding')

SpatialReflectionPadding.mode = 'reflect'
