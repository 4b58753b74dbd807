--- Each example moved and scaled to mean 0 and variance 1, then a learned gain and bias.
-- Ba et al. 2016. Input: a vector or (batch, feature).
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local parameters = require 'nn.parameters'
require 'nn.Module'

local LayerNormalization, Module = torch.class('nn.LayerNormalization', 'nn.Module')

--- bias: what the bias begins with, 0 by default. eps: added to the sum of squares. affine: false
-- to have neither gain nor bias.
function LayerNormalization:__init(nOutput, bias, eps, affine)
  dims.check_whole('LayerNormalization', 'nOutput', nOutput)
  self.nOutput, self.eps = nOutput, eps or 1e-10
  self.initialBias = bias or 0
  if affine ~= false then
    self:parameter('gain', nOutput)
    self:parameter('bias', nOutput)
  end
  self:reset()
end

function LayerNormalization:reset()
  if self.gain then
    self.gain:fill(1)
    self.bias:fill(self.initialBias)
  end
  return self
end

-- Torch7's is made of simple modules; their gain and bias are all that is needed of it.
function LayerNormalization:read(file)
  Module.read(self, file)
  if not self.modules then return end
  local normalize
  for _, module in ipairs(self.modules) do
    if torch.type(module) == 'nn.Normalize' then normalize = module end
  end
  self.eps, self.modules = normalize and normalize.eps or 1e-10, nil
  if self.gain then
    self.parameterNames = {'gain', 'bias'}
    self.nOutput = self.gain:nElement()
    parameters.link(self)
  end
end

function LayerNormalization:updateOutput(input)
  dims.check(input, 1, 2)
  local last, size = input:dim(), self.nOutput
  if input:size(last) ~= size then
    error(('input has %d features, expected %d'):format(input:size(last), size), 0)
  end
  -- There eps is added to the mean of squares.
  return torch.layer_norm(input, {size}, self.gain, self.bias, self.eps / size)
end

function LayerNormalization:__tostring__()
  return ('%s(%d)'):format(torch.type(self), self.nOutput or 0)
end
