--- x over its root mean square (Zhang, Sennrich 2019) of the last dimensions, times a weight for
-- each of their elements. (..., sizes) gives (..., sizes).
local torch = require 'torch'
local shape = require 'nn.normalization.shape'
require 'nn.Module'

local RMSNorm = torch.class('nn.RMSNorm', 'nn.Module')

--- sizes: the last dimensions, 64 or {8, 8}. eps: added to the mean square, that of the input's
-- type by default (1.2e-7 for floats). affine: pass false to drop the weight.
function RMSNorm:__init(sizes, eps, affine)
  self.normalized_shape = shape.sizes('nn.RMSNorm', sizes)
  self.eps = eps
  if affine ~= false then shape.affine(self, self.normalized_shape) end
end

function RMSNorm:reset()
  shape.reset(self)
end

function RMSNorm:updateOutput(input)
  return torch.rms_norm(input, self.normalized_shape, self.weight, self.eps)
end

function RMSNorm:__tostring__()
  return ('%s(%s)'):format(torch.type(self), table.concat(self.normalized_shape, 'x'))
end
