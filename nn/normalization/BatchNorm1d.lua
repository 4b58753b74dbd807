--- Batch normalisation of (batch, channels) or (batch, channels, length): see nn.BatchNorm.
local torch = require 'torch'
require 'nn.normalization.BatchNorm'

local BatchNorm1d, BatchNorm = torch.class('nn.BatchNorm1d', 'nn.BatchNorm')

BatchNorm1d.dims = {[2] = true, [3] = true}

--- (channels, eps = 1e-5, momentum = 0.1, affine = true, track = true)
function BatchNorm1d:__init(...)
  BatchNorm.__init(self, ...)
end
