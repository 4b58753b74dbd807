--- Linear whose rows of the weight are given by a direction and a length: W = g v / |v|.
-- Salimans and Kingma 2016.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local uniform = require 'nn.layers.uniform'

local LinearWeightNorm = torch.class('nn.LinearWeightNorm', 'nn.Linear')

--- bias: pass false to have none. eps: the least length of a row of v.
function LinearWeightNorm:__init(inputSize, outputSize, bias, eps)
  dims.check_whole('LinearWeightNorm', 'inputSize', inputSize)
  dims.check_whole('LinearWeightNorm', 'outputSize', outputSize)
  self.eps = eps or 1e-16
  self:parameter('v', outputSize, inputSize)
  self:parameter('g', outputSize, 1)
  if bias ~= false then self:parameter('bias', outputSize) end
  -- The product of the two, for those who want to read it; no parameter of its own.
  self.weight = torch.zeros(outputSize, inputSize)
  self:reset()
end

function LinearWeightNorm:reset(stdv)
  uniform(stdv, 1 / math.sqrt(self.v:size(2)), self.weight, self.bias)
  return self:initFromWeight()
end

--- Splits a weight, by default self.weight, into direction and length.
function LinearWeightNorm:initFromWeight(weight)
  weight = (weight or self.weight):detach()
  torch.no_grad(function()
    self.g:copy(weight:norm(2, 2):clamp(self.eps, math.huge))
    self.v:copy(weight)
    self.weight:copy(weight)
  end)
  return self
end

--- A layer that does what the given Linear does.
function LinearWeightNorm.fromLinear(linear)
  local outputs, inputs = linear.weight:size(1), linear.weight:size(2)
  local make = torch.getconstructortable('nn.LinearWeightNorm')
  local layer = make(inputs, outputs, linear.bias ~= nil)
  layer:type(linear:type())
  layer:initFromWeight(linear.weight)
  if linear.bias then torch.no_grad(layer.bias.copy, layer.bias, linear.bias) end
  return layer
end

local function weight_of(self)
  local length = torch.clamp(torch.norm(self.v, 2, 2), self.eps, math.huge)
  return torch.cmul(self.v, self.g / length)
end

--- A Linear that does what this layer does.
function LinearWeightNorm:toLinear()
  local linear = torch.getconstructortable('nn.Linear')(self.v:size(2), self.v:size(1),
    self.bias ~= nil)
  linear:type(self:type())
  torch.no_grad(function()
    linear.weight:copy(weight_of(self))
    if self.bias then linear.bias:copy(self.bias) end
  end)
  return linear
end

function LinearWeightNorm:updateOutput(input)
  dims.check(input)
  local weight = weight_of(self)
  self.weight = weight:detach()
  return torch.linear(input, weight, self.bias)
end
