--- Pairs of dimensions change places, one pair after the other.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Transpose = torch.class('nn.Transpose', 'nn.Module')

--- nn.Transpose({1, 2}, {1, 3})
function Transpose:__init(...)
  self.permutations = {...}
  for _, pair in ipairs(self.permutations) do
    if type(pair) ~= 'table' or #pair ~= 2 then
      error('nn.Transpose: pairs of dimensions expected, such as {1, 2}', 3)
    end
  end
end

--- How many dimensions an example has; an input with one more is a batch.
function Transpose:setNumInputDims(numInputDims)
  self.numInputDims = numInputDims
  return self
end

function Transpose:updateOutput(input)
  for _, pair in ipairs(self.permutations) do
    input = torch.transpose(input, dims.at(input, pair[1], self.numInputDims),
      dims.at(input, pair[2], self.numInputDims))
  end
  return input:contiguous()
end

function Transpose:__tostring__()
  local pairs_of = {}
  for i, pair in ipairs(self.permutations) do
    pairs_of[i] = ('{%d, %d}'):format(pair[1], pair[2])
  end
  return ('%s(%s)'):format(torch.type(self), table.concat(pairs_of, ', '))
end
