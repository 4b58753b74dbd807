--- Batch normalisation of volumes (batch, channels, depth, height, width): see nn.BatchNorm.
local torch = require 'torch'
require 'nn.normalization.BatchNorm'

local BatchNorm3d, BatchNorm = torch.class('nn.BatchNorm3d', 'nn.BatchNorm')

BatchNorm3d.dims = {[5] = true}

--- (channels, eps = 1e-5, momentum = 0.1, affine = true, track = true)
function BatchNorm3d:__init(...)
  BatchNorm.__init(self, ...)
end
