--- Cosine of the angle between the input and each row of the weight. Input: a vector or
-- (batch, feature).
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local uniform = require 'nn.layers.uniform'
require 'nn.Module'

local Cosine = torch.class('nn.Cosine', 'nn.Module')

local EPS = 1e-12

function Cosine:__init(inputSize, outputSize)
  dims.check_whole('Cosine', 'inputSize', inputSize)
  dims.check_whole('Cosine', 'outputSize', outputSize)
  self:parameter('weight', outputSize, inputSize)
  self:reset()
end

function Cosine:reset(stdv)
  uniform(stdv, 1 / math.sqrt(self.weight:size(1)), self.weight)
  return self
end

function Cosine:updateOutput(input)
  dims.check(input, 1, 2)
  local unit = self.weight / (torch.norm(self.weight, 2, 2) + EPS)
  return torch.linear(input / (torch.norm(input, 2, input:dim()) + EPS), unit)
end

function Cosine:__tostring__()
  return ('%s(%d -> %d)'):format(torch.type(self), self.weight:size(2), self.weight:size(1))
end
