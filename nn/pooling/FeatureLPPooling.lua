--- The p-norm of windows over features, (sum x^p)^(1/p): over the first dimension of (feature,
-- ...), or the second of (batch, feature, ...), with up to two dimensions behind.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local norm = require 'nn.pooling.norm'
require 'nn.Module'

local FeatureLPPooling = torch.class('nn.FeatureLPPooling', 'nn.Module')

--- width: features of a window; stride: its step; power: p. batch_mode: true where inputs have a
-- dimension for the batch.
function FeatureLPPooling:__init(width, stride, power, batch_mode)
  space.set(self, 1, 'width stride', width, stride)
  if type(power) ~= 'number' or power < 1 then
    error(('nn.FeatureLPPooling: power: a number from 1 on expected, got %s'):format(
      tostring(power)), 0)
  end
  self.power = power
  self.batch_mode = batch_mode or false
end

function FeatureLPPooling:updateOutput(input)
  local dim = self.batch_mode and 2 or 1
  if input:dim() < dim or input:dim() > dim + 2 then
    error(('input has %d dimensions, expected %d to %d'):format(input:dim(), dim, dim + 2), 0)
  end
  if input:size(dim) < self.width then
    error(('input has %d features, a window needs at least %d'):format(input:size(dim),
      self.width), 0)
  end
  local windows = norm.power(input, self.power):unfold(dim, self.width, self.stride)
  local sums = torch.sum(windows, windows:dim()):select(windows:dim(), 1)
  return norm.root(sums, self.power)
end
