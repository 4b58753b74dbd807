--- One position of a dimension, which disappears.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Select = torch.class('nn.Select', 'nn.Module')

--- Negative numbers count from the end.
function Select:__init(dimension, index)
  if type(dimension) ~= 'number' or type(index) ~= 'number' then
    error('nn.Select: a dimension and an index expected', 3)
  end
  self.dimension, self.index = dimension, index
end

function Select:updateOutput(input)
  local dim = dims.at(input, self.dimension)
  local size = input:size(dim)
  local index = self.index < 0 and size + self.index + 1 or self.index
  if index < 1 or index > size then
    error(('there is no index %d: dimension %d of an input of size [%s]'):format(self.index,
      dim, dims.text(input)), 0)
  end
  -- Of a vector a vector of one element, not a number.
  if input:dim() == 1 then return torch.narrow(input, 1, index, 1) end
  return torch.select(input, dim, index)
end
