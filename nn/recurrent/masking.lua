--- Examples that are all zeros: padding, which makes sequences of a batch equally long.
local torch = require 'torch'

local masking = {}

local function first_tensor(value)
  if type(value) ~= 'table' then return value end
  for _, part in ipairs(value) do
    local found = first_tensor(part)
    if found then return found end
  end
  return nil
end

--- Which examples are not all zeros: a tensor (batch) of ones and zeros, or (1) for a single
-- example. dims: the dimensions of one example. Of a table the first tensor tells.
function masking.rows(input, dims)
  local tensor = first_tensor(input)
  if not torch.isTensor(tensor) then
    error(('a tensor, or a table of them, expected, got %s'):format(torch.type(input)), 0)
  end
  local batch = tensor:dim() - dims
  if batch ~= 0 and batch ~= 1 then
    error(('an input of %d dimensions, or %d with a batch, expected, got %d'):format(dims, dims + 1,
      tensor:dim()), 0)
  end
  local rows = tensor:detach():reshape(batch == 1 and tensor:size(1) or 1, -1)
  return torch.any(torch.ne(rows, 0), 2):reshape(rows:size(1))
end

--- The value with zeros in the examples that `keep` has none of.
function masking.apply(value, keep)
  if type(value) == 'table' then
    local out = {}
    for key, part in pairs(value) do out[key] = masking.apply(part, keep) end
    return out
  end
  if type(value) ~= 'userdata' then return value end
  local count = keep:size(1)
  local shape = {count}
  for d = 2, value:dim() do shape[d] = 1 end
  if value:size(1) ~= count then shape = {1} end
  return torch.where(keep:view(torch.LongStorage(shape)), value, torch.zeros_like(value:detach()))
end

--- The places of the examples to keep: a LongTensor, empty when there are none.
function masking.places(keep)
  local found = torch.nonzero(keep)
  return found:view(found:nElement())
end

return masking
