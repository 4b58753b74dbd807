--- Adds to (batch, time, channel), or (time, channel), sines and cosines of each position
-- (Vaswani et al. 2017), then drops some of it out.
local torch = require 'torch'
local cache = require 'nn.attention.cache'
require 'nn.Module'

local PositionalEncoding = torch.class('nn.PositionalEncoding', 'nn.Module')

PositionalEncoding.remembers = true

--- dim: number of channels. dropout: probability, 0 by default. base: 10000 by default.
function PositionalEncoding:__init(dim, dropout, base)
  if type(dim) ~= 'number' or dim < 1 or dim % 1 ~= 0 then
    error(('nn.PositionalEncoding: a whole number of channels expected, got %s'):format(
      tostring(dim)), 3)
  end
  self.dim, self.p, self.base = dim, dropout or 0, base or 10000
  self.train = true
end

-- Encodings of the first positions, by module.
local tables = setmetatable({}, {__mode = 'k'})

-- (length, channel): sin(t base^(-2 i / dim)) in channels 2 i, counted from 0, its cosine behind
-- it.
local function encode(self, length, like)
  local half = math.ceil(self.dim / 2)
  local rates = torch.range(0, half - 1, {dtype = 'float64'})
    :mul(-2 / self.dim * math.log(self.base)):exp()
  local angle = torch.ger(torch.range(0, length - 1, {dtype = 'float64'}), rates)
  local both = torch.cat({torch.sin(angle):unsqueeze(3), torch.cos(angle):unsqueeze(3)}, 3)
  return both:view(length, 2 * half):narrow(2, 1, self.dim):contiguous():to(like)
end

local function encoding(self, first, time, like)
  local entry, kind = tables[self], like.dtype .. like.device
  local known = entry and entry.kind == kind and entry.base == self.base
  if not known or entry.values:size(1) < first + time - 1 then
    local length = math.max(64, 2 * (first + time))
    entry = {kind = kind, base = self.base, values = torch.no_grad(encode, self, length, like)}
    tables[self] = entry
  end
  return entry.values:narrow(1, first, time)
end

--- From now on each input goes on where the last one ended, beginning at the first position; with
-- false each one begins there.
PositionalEncoding.cache = cache.method

function PositionalEncoding:updateOutput(input)
  local n = input:dim()
  if n < 2 or n > 3 or input:size(n) ~= self.dim then
    error(('an input (batch, time, %d channels) expected, got one of %d dimensions%s'):format(
      self.dim, n, n > 0 and (', the last of size %d'):format(input:size(n)) or ''), 0)
  end
  if not input.dtype:find('float') then
    error(('floating-point input expected, got %s'):format(input.dtype), 0)
  end
  local entry, time = cache.of(self), input:size(n - 1)
  local offset = entry and entry.count or 0
  if entry then entry.count = offset + time end
  local output = input + encoding(self, offset + 1, time, input)
  return self.p > 0 and self.train ~= false and torch.dropout(output, self.p) or output
end

function PositionalEncoding:__tostring__()
  return ('%s(%d)'):format(torch.type(self), self.dim)
end
