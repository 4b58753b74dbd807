--- BatchNormalization of images, over the batch and all their places. Input:
-- (batch, channel, y, x).
local torch = require 'torch'

local Spatial = torch.class('nn.SpatialBatchNormalization', 'nn.BatchNormalization')

Spatial.nDim = 4
