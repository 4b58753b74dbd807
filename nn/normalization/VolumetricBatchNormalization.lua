--- BatchNormalization of volumes, over the batch and all their places. Input:
-- (batch, channel, t, y, x).
local torch = require 'torch'

local Volumetric = torch.class('nn.VolumetricBatchNormalization', 'nn.BatchNormalization')

Volumetric.nDim = 5
