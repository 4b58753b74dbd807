--- The outermost pixels of images repeated; negative numbers cut off. Constructor and fields are
-- SpatialZeroPadding's.
local torch = require 'torch'
require 'nn.pooling.SpatialZeroPadding'

local SpatialReplicationPadding =
  torch.class('nn.SpatialReplicationPadding', 'nn.SpatialZeroPadding')

SpatialReplicationPadding.mode = 'replicate'
