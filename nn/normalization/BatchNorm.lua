--- Batch normalisation (Ioffe, Szegedy 2015) of (batch, channels, ...): mean 0 and variance 1 of
-- each channel, then a weight and a bias for it. In training over the batch, whose statistics go
-- into the running ones; in use the running ones count.
local torch = require 'torch'
local shape = require 'nn.normalization.shape'
local running = require 'nn.normalization.running'
require 'nn.Module'

local BatchNorm = torch.class('nn.BatchNorm', 'nn.Module')

-- How many dimensions an input may have: those with a number are true.
BatchNorm.dims = {any = true}
for n = 2, 8 do BatchNorm.dims[n] = true end

--- eps: added to the variance, 1e-5 by default. momentum: share of a new batch in the running
-- statistics, 0.1 by default; false makes them the mean over all batches. affine: pass false to
-- drop weight and bias. track: pass false to do without running statistics.
function BatchNorm:__init(channels, eps, momentum, affine, track)
  running.init(self, channels, eps, momentum, affine ~= false, track ~= false)
  self.train = true
end

--- Weight, bias and running statistics as at the beginning.
function BatchNorm:reset()
  shape.reset(self)
  running.reset(self)
end

function BatchNorm:updateOutput(input)
  running.check(self, input, self.dims)
  local mean, var = self.running_mean, self.running_var
  local training = self.train ~= false or not mean
  local momentum = training and mean and running.share(self) or 0
  return torch.batch_norm(input, mean, var, self.weight, self.bias, training, momentum, self.eps)
end

function BatchNorm:__tostring__()
  return ('%s(%d)'):format(torch.type(self), self.num_features)
end
