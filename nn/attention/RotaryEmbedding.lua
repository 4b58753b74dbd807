--- Rotary position embedding (Su et al. 2021) of (..., time, dim): pairs of numbers are turned by
-- an angle that grows with their position, so that products of queries and keys depend on how
-- far apart these are.
local torch = require 'torch'
local options = require 'nn.attention.options'
require 'nn.Module'

local RotaryEmbedding = torch.class('nn.RotaryEmbedding', 'nn.Module')

local DEFAULTS = {base = 10000, interleaved = false, scale = 1}

-- Cosines and sines, by module.
local tables = setmetatable({}, {__mode = 'k'})

--- dim: how many numbers of the last dimension are turned, an even number; the others stay. given:
-- base of the angles (10000), interleaved: neighbours make the pairs, not the two halves; scale of
-- the positions (1).
function RotaryEmbedding:__init(dim, given)
  if type(dim) ~= 'number' or dim < 2 or dim % 2 ~= 0 then
    error(('nn.RotaryEmbedding: an even number from 2 on expected, got %s'):format(
      tostring(dim)), 3)
  end
  self.dim = dim
  for name, value in pairs(options.read('nn.RotaryEmbedding', given, DEFAULTS)) do
    self[name] = value
  end
end

-- Row t (from 1) and column i hold the angle (t - 1) scale base^(-2 (i - 1) / dim).
local function angles(self, length)
  local pairs_of = self.dim / 2
  local rates = torch.range(0, pairs_of - 1, {dtype = 'float64'})
    :mul(-2 / self.dim * math.log(self.base)):exp()
  local positions = torch.range(0, length - 1, {dtype = 'float64'}):mul(self.scale)
  return torch.ger(positions, rates)
end

local function tables_for(self, length, x)
  local kind = x.dtype == 'float64' and 'float64' or 'float32'
  local entry = tables[self]
  local key = ('%g %g %s %s'):format(self.base, self.scale, kind, x.device)
  if not entry or entry.length < length or entry.key ~= key then
    local angle = torch.no_grad(angles, self, math.max(length, 2 * (entry and entry.length or 32)))
    local there = {dtype = kind, device = x.device}
    entry = {length = angle:size(1), key = key, cos = torch.cos(angle):to(there),
      sin = torch.sin(angle):to(there)}
    tables[self] = entry
  end
  return entry.cos, entry.sin
end

--- x (..., time, dim), whose first position is `offset`, from 0.
function RotaryEmbedding:rotate(x, offset)
  offset = offset or 0
  local n = x:dim()
  if n < 2 or x:size(n) < self.dim then
    error(('an input (..., time, dim) with %d or more numbers in dim expected, got %s'):format(
      self.dim, n < 1 and 'no dimension' or ('%d'):format(x:size(n))), 0)
  end
  local cos, sin = tables_for(self, offset + x:size(n - 1), x)
  return torch.rotary_embedding(x, cos, sin, self.interleaved, offset)
end

function RotaryEmbedding:updateOutput(input)
  return self:rotate(input, 0)
end

function RotaryEmbedding:__tostring__()
  return ('%s(%d)'):format(torch.type(self), self.dim)
end
