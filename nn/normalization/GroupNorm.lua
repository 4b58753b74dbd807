--- Group normalisation (Wu, He 2018): mean 0 and variance 1 over each group of channels of
-- (batch, channels, ...), then a weight and a bias for each channel.
local torch = require 'torch'
local shape = require 'nn.normalization.shape'
require 'nn.Module'

local GroupNorm = torch.class('nn.GroupNorm', 'nn.Module')

--- groups: into how many the channels are parted. eps: added to the variance, 1e-5 by default.
-- affine: pass false to drop weight and bias.
function GroupNorm:__init(groups, channels, eps, affine)
  self.num_groups = shape.count('nn.GroupNorm', 'the number of groups', groups)
  self.num_channels = shape.count('nn.GroupNorm', 'the number of channels', channels)
  if channels % groups ~= 0 then
    error(('nn.GroupNorm: %d channels cannot be parted into %d groups'):format(channels, groups), 3)
  end
  self.eps = eps or 1e-5
  if affine ~= false then shape.affine(self, {channels}, true) end
end

function GroupNorm:reset()
  shape.reset(self)
end

function GroupNorm:updateOutput(input)
  if input:dim() < 2 or input:size(2) ~= self.num_channels then
    error(('input has size %s, expected (batch, %d channels, ...)'):format(shape.text(input),
      self.num_channels), 0)
  end
  return torch.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
end

function GroupNorm:__tostring__()
  return ('%s(%d groups, %d channels)'):format(torch.type(self), self.num_groups, self.num_channels)
end
