--- Are two values the same, within a tolerance? For torch.Tester: answers come with a reason.
local torch = require 'torch'

local compare = {}

local function number_text(x)
  return ('%.9g'):format(x)
end

local function numbers(a, b, tolerance)
  if a == b or (a ~= a and b ~= b) then return true end
  local difference = math.abs(a - b)
  if difference <= tolerance then return true end
  return false, ('%s and %s differ by %s, tolerance %s'):format(number_text(a), number_text(b),
    number_text(difference), number_text(tolerance))
end

-- Elements in order, whatever the shape. Where both are NaN, or the same infinity, they are equal.
local function elements(a, b, tolerance)
  if a:nElement() == 0 then return true end
  a, b = a:detach():contiguous():view(-1), b:detach():contiguous():view(-1)
  if torch.equal(a, b) then return true end
  if torch.abs(a:double() - b:double()):max() <= tolerance then return true end -- not with a NaN
  local worst, where = 0, nil
  for i = 1, a:nElement() do
    local x, y = a[i], b[i]
    if not numbers(x, y, tolerance) then
      local difference = math.abs(x - y)
      if not where or difference ~= difference or difference > worst then
        worst, where = difference, i
      end
    end
  end
  if not where then return true end
  return false, ('element %d: %s and %s differ by %s, tolerance %s'):format(where,
    number_text(a[where]), number_text(b[where]), number_text(worst), number_text(tolerance))
end

--- The type and the values, in whatever shape.
function compare.tensors(a, b, tolerance)
  if not torch.isTensor(a) or not torch.isTensor(b) then
    return false, ('tensors expected, got %s and %s'):format(torch.type(a), torch.type(b))
  end
  if a:type() ~= b:type() then return false, ('types %s and %s'):format(a:type(), b:type()) end
  if a:nElement() ~= b:nElement() then
    return false, ('%d and %d elements'):format(a:nElement(), b:nElement())
  end
  return elements(a, b, tolerance)
end

local function shaped_tensors(a, b, tolerance)
  if not a:isSameSizeAs(b) then
    return false, ('sizes %s and %s'):format(table.concat(a:size():totable(), 'x'),
      table.concat(b:size():totable(), 'x'))
  end
  return compare.tensors(a, b, tolerance)
end

local function storages(a, b, tolerance)
  if a:size() ~= b:size() then return false, ('%d and %d elements'):format(a:size(), b:size()) end
  for i = 1, a:size() do
    local same, why = numbers(a[i], b[i], tolerance)
    if not same then return false, ('element %d: %s'):format(i, why) end
  end
  return true
end

-- Equal keys with equal values. seen: pairs that are being compared, for tables with cycles.
local function tables(a, b, tolerance, seen)
  if a == b or seen[a] == b then return true end
  seen[a] = b
  for key, value in next, a do
    local other = rawget(b, key)
    if other == nil then return false, ('only one has the key %s'):format(tostring(key)) end
    local same, why = compare.values(value, other, tolerance, seen)
    if not same then return false, ('at key %s: %s'):format(tostring(key), why) end
  end
  for key in next, b do
    if rawget(a, key) == nil then
      return false, ('only one has the key %s'):format(tostring(key))
    end
  end
  return true
end

--- Two tables with the same contents, of whatever class.
function compare.tables(a, b, tolerance)
  if type(a) ~= 'table' or type(b) ~= 'table' then
    return false, ('tables expected, got %s and %s'):format(torch.type(a), torch.type(b))
  end
  return tables(a, b, tolerance, {})
end

--- Any two values: the same type (and size), and the same contents.
function compare.values(a, b, tolerance, seen)
  if torch.type(a) ~= torch.type(b) then
    return false, ('types %s and %s'):format(torch.type(a), torch.type(b))
  end
  if type(a) == 'number' then return numbers(a, b, tolerance) end
  if torch.isTensor(a) then return shaped_tensors(a, b, tolerance) end
  if torch.isStorage(a) then return storages(a, b, tolerance) end
  if type(a) == 'table' then return tables(a, b, tolerance, seen or {}) end
  if a == b then return true end
  return false, ('%s and %s'):format(tostring(a), tostring(b))
end

return compare
