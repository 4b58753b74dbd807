--- The input without dimensions of size 1.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Squeeze = torch.class('nn.Squeeze', 'nn.Module')

--- dim: only this one. numInputDims: how many dimensions an example has; an input with one more is
-- a batch, whose dimension stays.
function Squeeze:__init(dim, numInputDims)
  self.dim = dim
  self:setNumInputDims(numInputDims)
end

function Squeeze:setNumInputDims(numInputDims)
  self.numInputDims = numInputDims
  return self
end

function Squeeze:updateOutput(input)
  dims.check(input)
  local batch = self.numInputDims and input:dim() == self.numInputDims + 1
  local only = self.dim and dims.at(input, self.dim, self.numInputDims)
  local sizes = {}
  for d = 1, input:dim() do
    local may_go = only and d == only or not only and not (batch and d == 1)
    if input:size(d) ~= 1 or not may_go then sizes[#sizes + 1] = input:size(d) end
  end
  if #sizes == 0 then sizes[1] = input:nElement() end
  return torch.reshape(input, torch.LongStorage(sizes))
end

function Squeeze:__tostring__()
  return ('%s(%s)'):format(torch.type(self), self.dim and 'dim=' .. self.dim or '')
end
