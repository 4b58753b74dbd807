--- Distance of the input to each column of the weight. Input: a vector or (batch, feature).
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local uniform = require 'nn.layers.uniform'
require 'nn.Module'

local Euclidean = torch.class('nn.Euclidean', 'nn.Module')

--- The weight is (inputSize, outputSize): a column for each output.
function Euclidean:__init(inputSize, outputSize)
  dims.check_whole('Euclidean', 'inputSize', inputSize)
  dims.check_whole('Euclidean', 'outputSize', outputSize)
  self:parameter('weight', inputSize, outputSize)
  self:reset()
end

function Euclidean:reset(stdv)
  uniform(stdv, 1 / math.sqrt(self.weight:size(1)), self.weight)
  return self
end

--- The input as (batch, feature), after a check of its features.
function Euclidean:rows_of(input)
  dims.check(input, 1, 2)
  local size, wanted = input:size(input:dim()), self.weight:size(1)
  if size ~= wanted then
    error(('input has %d features, expected %d'):format(size, wanted), 0)
  end
  return torch.reshape(input, -1, size)
end

function Euclidean:updateOutput(input)
  local output = torch.cdist(self:rows_of(input), torch.transpose(self.weight, 1, 2))
  return input:dim() == 1 and torch.select(output, 1, 1) or output
end

function Euclidean:__tostring__()
  return ('%s(%d -> %d)'):format(torch.type(self), self.weight:size(1), self.weight:size(2))
end
