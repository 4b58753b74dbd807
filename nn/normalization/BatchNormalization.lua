--- Each feature moved and scaled to mean 0 and variance 1 over the batch in training, by running
-- averages of mean and variance in use; then a learned weight and bias. Ioffe and Szegedy 2015.
-- Input: (batch, feature).
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local BatchNormalization, Module = torch.class('nn.BatchNormalization', 'nn.Module')

-- How many dimensions the input has; others in the classes below.
BatchNormalization.nDim = 2

--- nOutput: how many features. eps: added to the variance. momentum: share of each batch in the
-- running averages. affine: false to have neither weight nor bias.
function BatchNormalization:__init(nOutput, eps, momentum, affine)
  local class = torch.type(self):match('[^.]*$')
  dims.check_whole(class, 'nOutput', nOutput)
  if affine ~= nil and type(affine) ~= 'boolean' then
    error(('nn.%s: affine: true or false expected, got %s'):format(class, tostring(affine)), 3)
  end
  self.affine = affine ~= false
  self.eps, self.momentum = eps or 1e-5, momentum or 0.1
  self.train = true
  self.running_mean, self.running_var = torch.zeros(nOutput), torch.ones(nOutput)
  if self.affine then
    self:parameter('weight', nOutput)
    self:parameter('bias', nOutput)
  end
  self:reset()
end

--- The weight uniform from 0 to 1, the bias 0, the running averages at their beginning.
function BatchNormalization:reset()
  if self.weight then self.weight:uniform(0, 1) end
  if self.bias then self.bias:zero() end
  self.running_mean:zero()
  self.running_var:fill(1)
  return self
end

local function check(self, input)
  dims.check(input, self.nDim)
  local wanted = self.running_mean:nElement()
  if input:size(2) ~= wanted then
    error(('input has %d features, expected %d'):format(input:size(2), wanted), 0)
  end
  if self.train ~= false and input:nElement() <= wanted then
    error(('input of size [%s]: more than one value for each feature expected in training'):format(
      dims.text(input)), 0)
  end
end

function BatchNormalization:updateOutput(input)
  local single = self.nDim == 2 and torch.isTensor(input) and input:dim() == 1
  if single then input = torch.unsqueeze(input, 1) end
  check(self, input)
  local output = torch.batch_norm(input, self.running_mean, self.running_var, self.weight,
    self.bias, self.train ~= false, self.momentum, self.eps)
  return single and torch.select(output, 1, 1) or output
end

-- Files from before running_var hold running_std, 1 / sqrt(variance + eps).
function BatchNormalization:read(file)
  Module.read(self, file)
  if self.running_std and not self.running_var then
    self.running_var = torch.cinv(torch.square(self.running_std)) - self.eps
    self.running_std = nil
  end
end

function BatchNormalization:__tostring__()
  return ('%s (%dD) (%d)'):format(torch.type(self), self.nDim, self.running_mean:nElement())
end
