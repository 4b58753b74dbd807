--- The input several times, along a new dimension; nothing is copied.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Replicate = torch.class('nn.Replicate', 'nn.Module')

--- nFeatures: how often. dim: the place of the new dimension. nDim: how many dimensions an example
-- has; an input with one more is a batch.
function Replicate:__init(nFeatures, dim, nDim)
  dims.check_whole('Replicate', 'nFeatures', nFeatures)
  dims.check_whole('Replicate', 'dim', dim or 1)
  self.nfeatures, self.dim, self.ndim = nFeatures, dim or 1, nDim
end

function Replicate:updateOutput(input)
  dims.check(input, 1, math.huge)
  local dim = self.dim
  if self.ndim and input:dim() == self.ndim + 1 then dim = dim + 1 end
  if dim > input:dim() + 1 then
    error(('input of size [%s] has too few dimensions for a new one at %d'):format(
      dims.text(input), dim), 0)
  end
  local sizes = input:size():totable()
  table.insert(sizes, dim, self.nfeatures)
  return torch.unsqueeze(input, dim):expand(torch.LongStorage(sizes))
end
