--- Instance normalisation of images (batch, channels, height, width) or (channels, height,
-- width): see nn.InstanceNorm.
local torch = require 'torch'
require 'nn.normalization.InstanceNorm'

local InstanceNorm2d, InstanceNorm = torch.class('nn.InstanceNorm2d', 'nn.InstanceNorm')

InstanceNorm2d.dims = {[3] = true, [4] = true, single = 3}

--- (channels, eps = 1e-5, momentum = 0.1, affine = false, track = false)
function InstanceNorm2d:__init(...)
  InstanceNorm.__init(self, ...)
end
