--- Positions with one value, put into a dimension.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Padding = torch.class('nn.Padding', 'nn.Module')

--- pad: how many positions, before the others if negative. nInputDim: how many dimensions an
-- example has; an input with more is a batch. index: put them so many places away from that end.
function Padding:__init(dim, pad, nInputDim, value, index)
  dims.check_whole('Padding', 'dim', dim)
  dims.check_whole('Padding', 'index', index or 1)
  if type(pad) ~= 'number' or pad % 1 ~= 0 then
    error(('nn.Padding: a whole number of positions expected, got %s'):format(tostring(pad)), 3)
  end
  self.dim, self.pad, self.nInputDim = dim, pad, nInputDim
  self.value, self.index = value or 0, index or 1
end

function Padding:updateOutput(input)
  dims.check(input)
  if self.pad == 0 then return input end
  local batch = self.nInputDim and input:dim() ~= self.nInputDim
  local dim = dims.at(input, batch and self.dim + 1 or self.dim)
  local size = input:size(dim)
  local before = self.pad > 0 and size - self.index + 1 or self.index - 1
  if before < 0 or before > size then
    error(('there is no index %d in dimension %d of an input of size [%s]'):format(self.index, dim,
      dims.text(input)), 0)
  end
  local sizes = input:size():totable()
  sizes[dim] = math.abs(self.pad)
  local parts = {input:new_full(sizes, self.value)}
  if before > 0 then table.insert(parts, 1, torch.narrow(input, dim, 1, before)) end
  if before < size then
    parts[#parts + 1] = torch.narrow(input, dim, before + 1, size - before)
  end
  return torch.cat(parts, dim)
end
