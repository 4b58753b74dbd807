--- Masks of attention. Where one of booleans or bytes is not 0 a key takes part; one of numbers is
-- added to the scores.
local torch = require 'torch'

local masks = {}

local function is_float(mask)
  return mask.dtype:find('float') ~= nil
end

--- What stands where both take part.
function masks.both(a, b)
  if a == nil or b == nil then return a or b end
  if is_float(a) and is_float(b) then return a + b end
  if is_float(b) then a, b = b, a end
  if is_float(a) then return torch.where(b, a, -math.huge) end
  return torch.cmul(torch.ne(a, 0), torch.ne(b, 0))
end

--- Query i of `time` sees keys up to i + offset.
function masks.causal(time, keys, offset)
  return torch.ones(time, keys):tril(offset):to('uint8')
end

--- A mask as attention takes it, from (time, keys), (batch, time, keys), or
-- (batch, heads, time, keys); and one of the keys (batch, keys).
function masks.of(mask, key_mask)
  if mask ~= nil then
    if not torch.isTensor(mask) then
      error(('a mask is a tensor, got %s'):format(torch.type(mask)), 0)
    end
    if mask:dim() == 3 then mask = mask:unsqueeze(2) end
  end
  if key_mask ~= nil then
    if not torch.isTensor(key_mask) or key_mask:dim() ~= 2 then
      error('a key mask (batch, keys) expected, got ' .. (torch.isTensor(key_mask)
        and ('%d dimensions'):format(key_mask:dim()) or torch.type(key_mask)), 0)
    end
    key_mask = key_mask:view(key_mask:size(1), 1, 1, key_mask:size(2))
  end
  return masks.both(mask, key_mask)
end

return masks
