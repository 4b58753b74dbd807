--- Layer normalisation (Ba, Kiros, Hinton 2016): mean 0 and variance 1 over the last dimensions,
-- then a weight and a bias for each of their elements. (..., sizes) gives (..., sizes).
local torch = require 'torch'
local shape = require 'nn.normalization.shape'
require 'nn.Module'

local LayerNorm = torch.class('nn.LayerNorm', 'nn.Module')

--- sizes: the last dimensions, 64 or {8, 8}. eps: added to the variance, 1e-5 by default. affine:
-- pass false to drop weight and bias, bias: pass false to drop the bias.
function LayerNorm:__init(sizes, eps, affine, bias)
  self.normalized_shape = shape.sizes('nn.LayerNorm', sizes)
  self.eps = eps or 1e-5
  if affine ~= false then shape.affine(self, self.normalized_shape, bias ~= false) end
end

function LayerNorm:reset()
  shape.reset(self)
end

function LayerNorm:updateOutput(input)
  return torch.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)
end

function LayerNorm:__tostring__()
  return ('%s(%s)'):format(torch.type(self), table.concat(self.normalized_shape, 'x'))
end
