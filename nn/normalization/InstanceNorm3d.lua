--- Instance normalisation of volumes (batch, channels, depth, height, width), batch or not: see
-- nn.InstanceNorm.
local torch = require 'torch'
require 'nn.normalization.InstanceNorm'

local InstanceNorm3d, InstanceNorm = torch.class('nn.InstanceNorm3d', 'nn.InstanceNorm')

InstanceNorm3d.dims = {[4] = true, [5] = true, single = 4}

--- (channels, eps = 1e-5, momentum = 0.1, affine = false, track = false)
function InstanceNorm3d:__init(...)
  InstanceNorm.__init(self, ...)
end
