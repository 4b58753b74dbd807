--- Comparing what operations return.
local assert = require 'luassert'

local tensors = {}

local function close(a, b, tolerance)
  if a ~= a or b ~= b then return a ~= a and b ~= b end
  if a == b then return true end
  return math.abs(a - b) <= tolerance * math.max(1, math.abs(a), math.abs(b))
end

local function sizes(t)
  return t:nElement() == 0 and 'empty' or table.concat(t:size():totable(), 'x')
end
tensors.sizes = sizes

--- nil, or how two results differ: numbers, booleans, tensors of the same sizes, or lists of them.
function tensors.difference(a, b, tolerance)
  tolerance = tolerance or 1e-12
  if torch.isTensor(a) and torch.isTensor(b) then
    if sizes(a) ~= sizes(b) then return ('sizes %s and %s'):format(sizes(a), sizes(b)) end
    local x, y = torch.totable_flat(a), torch.totable_flat(b)
    for k = 1, #x do
      if not close(x[k], y[k], tolerance) then
        return ('element %d: %.9g and %.9g'):format(k, x[k], y[k])
      end
    end
  elseif type(a) == 'number' and type(b) == 'number' then
    if not close(a, b, tolerance) then return ('%.9g and %.9g'):format(a, b) end
  elseif type(a) == 'table' and type(b) == 'table' then
    if #a ~= #b then return ('%d and %d results'):format(#a, #b) end
    for k = 1, #a do
      local what = tensors.difference(a[k], b[k], tolerance)
      if what then return ('result %d: %s'):format(k, what) end
    end
  elseif a ~= b then
    return ('%s and %s'):format(tostring(a), tostring(b))
  end
  return nil
end

--- Fails the spec where two results differ.
function tensors.assert_same(expected, got, tolerance, what)
  local difference = tensors.difference(expected, got, tolerance)
  assert.is_nil(difference, difference and (what and what .. ': ' or '') .. difference)
end

--- The same values with other strides, an offset, and gaps between the elements. Differentiable.
function tensors.strided(x)
  local first = x
  if x:dim() > 1 then x = x:transpose(1, -1):clone() end
  local times = {}
  for d = 1, #first:size() do times[d] = 1 end
  times[#times + 1] = 3
  x = x:unsqueeze(-1)
  x = x:repeatTensor(torch.LongStorage(times))
  if first.ndim == 0 then return x:narrow(1, 2, 1):view(torch.LongStorage()) end
  x = x:select(-1, 2)
  if first:dim() > 1 then x = x:transpose(1, -1) end
  return x
end

return tensors
