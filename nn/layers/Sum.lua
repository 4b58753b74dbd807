--- The sums along a dimension, which disappears.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Sum = torch.class('nn.Sum', 'nn.Module')

--- dimension: the first by default; counts from the end if negative. nInputDims: how many
-- dimensions an example has; an input with one more is a batch. sizeAverage: true for means.
-- squeeze: false to keep the dimension, of size 1.
function Sum:__init(dimension, nInputDims, sizeAverage, squeeze)
  self.dimension, self.nInputDims = dimension or 1, nInputDims
  self.sizeAverage = sizeAverage or false
  self.squeeze = squeeze ~= false
end

function Sum:updateOutput(input)
  local dim = dims.at(input, self.dimension, self.nInputDims)
  local output = (self.sizeAverage and torch.mean or torch.sum)(input, dim)
  return self.squeeze and input:dim() > 1 and torch.select(output, dim, 1) or output
end
