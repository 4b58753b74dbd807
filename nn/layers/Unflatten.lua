--- A dimension as several.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Unflatten = torch.class('nn.Unflatten', 'nn.Module')

--- nn.Unflatten(2, 3, 4), or the sizes in a table; one of them may be -1.
function Unflatten:__init(dim, ...)
  if type(dim) ~= 'number' then
    error(('nn.Unflatten: a dimension expected, got %s'):format(torch.type(dim)), 3)
  end
  self.dim, self.sizes = dim, dims.sizes(...)
  if #self.sizes == 0 then error('nn.Unflatten: sizes expected', 3) end
end

function Unflatten:updateOutput(input)
  return torch.unflatten(input, dims.at(input, self.dim), self.sizes)
end

function Unflatten:__tostring__()
  return ('%s(%d, {%s})'):format(torch.type(self), self.dim, table.concat(self.sizes, ', '))
end
