--- Instance normalisation (Ulyanov, Vedaldi, Lempitsky 2016) of (batch, channels, length, ...):
-- mean 0 and variance 1 of each channel of each sample. Base of InstanceNorm1d to 3d.
local torch = require 'torch'
local shape = require 'nn.normalization.shape'
local running = require 'nn.normalization.running'
require 'nn.Module'

local InstanceNorm = torch.class('nn.InstanceNorm', 'nn.Module')

-- How many dimensions an input may have, and which number is that of a single sample.
InstanceNorm.dims = {any = true}
for n = 3, 8 do InstanceNorm.dims[n] = true end

--- eps: added to the variance, 1e-5 by default. affine: pass true for a weight and a bias of each
-- channel. track: pass true for running statistics, of which `momentum` is the share of a new
-- batch, and which count when in use.
function InstanceNorm:__init(channels, eps, momentum, affine, track)
  running.init(self, channels, eps, momentum, affine or false, track or false)
  self.train = true
end

--- Weight, bias and running statistics as at the beginning.
function InstanceNorm:reset()
  shape.reset(self)
  running.reset(self)
end

function InstanceNorm:updateOutput(input)
  local single = input:dim() == self.dims.single
  running.check(self, input, self.dims, single and 1 or 2)
  local mean, var = self.running_mean, self.running_var
  local own = self.train ~= false or not mean
  local momentum = own and mean and running.share(self) or 0
  local batch = single and input:unsqueeze(1) or input
  local output = torch.instance_norm(batch, mean, var, self.weight, self.bias, own, momentum,
    self.eps)
  return single and output:squeeze(1) or output
end

function InstanceNorm:__tostring__()
  return ('%s(%d)'):format(torch.type(self), self.num_features)
end
