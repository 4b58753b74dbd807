--- The greatest elements along a dimension, which disappears.
local torch = require 'torch'
local extreme = require 'nn.layers.extreme'
require 'nn.Module'

local Max = torch.class('nn.Max', 'nn.Module')

--- dimension: the first by default; counts from the end if negative. nInputDims: how many
-- dimensions an example has; an input with one more is a batch.
function Max:__init(dimension, nInputDims)
  self.dimension, self.nInputDims = dimension or 1, nInputDims
end

function Max:updateOutput(input)
  return extreme.apply(self, torch.max, input)
end
