--- Batch normalisation of images (batch, channels, height, width): see nn.BatchNorm.
local torch = require 'torch'
require 'nn.normalization.BatchNorm'

local BatchNorm2d, BatchNorm = torch.class('nn.BatchNorm2d', 'nn.BatchNorm')

BatchNorm2d.dims = {[4] = true}

--- (channels, eps = 1e-5, momentum = 0.1, affine = true, track = true)
function BatchNorm2d:__init(...)
  BatchNorm.__init(self, ...)
end
