--- A part of a dimension: `length` positions from `offset` on.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Narrow = torch.class('nn.Narrow', 'nn.Module')

--- Negative numbers count from the end: Narrow(1, 2, -2) leaves out the first and the last.
function Narrow:__init(dimension, offset, length)
  if type(dimension) ~= 'number' or type(offset) ~= 'number' then
    error('nn.Narrow: a dimension and an offset expected', 3)
  end
  self.dimension, self.index, self.length = dimension, offset, length or 1
end

function Narrow:updateOutput(input)
  local dim = dims.at(input, self.dimension)
  local size = input:size(dim)
  local first = self.index < 0 and size + self.index + 1 or self.index
  local length = self.length < 0 and size - first + self.length + 2 or self.length
  if first < 1 or length < 1 or first + length - 1 > size then
    error(('dimension %d of an input of size [%s] has no part of %d from %d on'):format(dim,
      dims.text(input), self.length, self.index), 0)
  end
  return torch.narrow(input, dim, first, length)
end
