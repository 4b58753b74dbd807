--- Where the greatest element of a dimension is. There is no gradient.
local torch = require 'torch'
require 'nn.Module'

local ArgMax = torch.class('nn.ArgMax', 'nn.Module')

--- dim: 1 by default. nInputDim: how many dimensions one example has; an input with one more is a
-- batch. asLong: false for indices of the input's type instead of a LongTensor.
function ArgMax:__init(dim, nInputDim, asLong)
  self.dim, self.nInputDim = dim or 1, nInputDim or 9999
  self.asLong = asLong ~= false
end

function ArgMax:updateOutput(input)
  local dim = self.dim
  if input:dim() > self.nInputDim then dim = dim + 1 end
  if dim > input:dim() then
    error(('an input of at least %d dimensions expected, got %d'):format(dim, input:dim()), 0)
  end
  local plain = input:detach()
  local _, indices = torch.max(plain, dim)
  if plain:dim() > 1 then indices = indices:select(dim, 1) end
  return self.asLong and indices:to('int64') or indices:typeAs(plain)
end

function ArgMax:__tostring__()
  return ('%s(%d)'):format(torch.type(self), self.dim)
end
