-- Masks of attention, by (batch, heads, length, keys): numbers that are added, truths of which each
-- row has one, and padding of the second half of the first sequence.
local torch = require 'torch'

local masks = {}

function masks.numbers(_, heads, length, keys) return torch.randn(heads, length, keys) end

function masks.truths(batch, _, length, keys)
  local mask = torch.rand(batch, 1, length, keys):gt(0.3)
  mask:select(4, 1):fill(1)
  return mask
end

function masks.padding(batch, _, _, keys)
  local mask = torch.ones(batch, 1, 1, keys):byte()
  mask[{{1}, {}, {}, {math.floor(keys / 2), keys}}] = 0
  return mask
end

return masks
