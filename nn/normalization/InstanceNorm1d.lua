--- Instance normalisation of (batch, channels, length) or (channels, length): see nn.InstanceNorm.
local torch = require 'torch'
require 'nn.normalization.InstanceNorm'

local InstanceNorm1d, InstanceNorm = torch.class('nn.InstanceNorm1d', 'nn.InstanceNorm')

InstanceNorm1d.dims = {[2] = true, [3] = true, single = 2}

--- (channels, eps = 1e-5, momentum = 0.1, affine = false, track = false)
function InstanceNorm1d:__init(...)
  InstanceNorm.__init(self, ...)
end
