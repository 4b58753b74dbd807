--- The helpers nn.rnn.recursive*: they do to all tensors in nested tables what a tensor's method of
-- that name does. Those of two values make the first one where it is missing, and return both.
local torch = require 'torch'

local recursive = {}

-- fn(a, b) for each pair of tensors; returns what takes the place of a, and b.
local function both(a, b, fn)
  if torch.isTensor(b) then
    a = torch.isTensor(a) and a or b.new()
    return fn(a, b) or a, b
  end
  if type(b) ~= 'table' then
    error(('nn.rnn: tensors, or tables of them, expected, got %s and %s'):format(torch.type(a),
      torch.type(b)), 3)
  end
  a = type(a) == 'table' and a or {a}
  for key, part in pairs(b) do a[key] = both(a[key], part, fn) end
  for key in pairs(a) do
    if b[key] == nil then a[key] = nil end
  end
  return a, b
end

--- The numbers of b in a, which gets the sizes of b.
function recursive.recursiveCopy(a, b)
  return both(a, b, function(x, y) x:resize(y:size()):copy(y) end)
end

function recursive.recursiveResizeAs(a, b)
  return both(a, b, function(x, y) x:resize(y:size()) end)
end

--- a becomes a view of b.
function recursive.recursiveSet(a, b)
  return both(a, b, function(x, y) x:set(y) end)
end

--- Adds b to a.
function recursive.recursiveAdd(a, b)
  return both(a, b, function(x, y) x:add(y) end)
end

--- Are all numbers of the two the same, up to 1e-6?
function recursive.recursiveTensorEq(a, b)
  if torch.isTensor(a) and torch.isTensor(b) then
    if not a:isSameSizeAs(b) then return false end
    return a:nElement() == 0 or (a:to('float64') - b:to('float64')):abs():max() < 1e-6
  end
  if type(a) ~= 'table' or type(b) ~= 'table' then
    error('nn.rnn: two tensors, or two tables of them, expected', 2)
  end
  for key, part in pairs(a) do
    if b[key] == nil or not recursive.recursiveTensorEq(part, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- fn(tensor) for each tensor; returns a value of the same form.
local function each(value, fn)
  if torch.isTensor(value) then return fn(value) end
  if type(value) ~= 'table' then
    error(('nn.rnn: a tensor, or a table of them, expected, got %s'):format(torch.type(value)), 3)
  end
  local out = {}
  for key, part in pairs(value) do out[key] = each(part, fn) end
  return out
end

--- Fills with random numbers, in place.
function recursive.recursiveNormal(value)
  each(value, function(tensor) tensor:normal() end)
  return value
end

function recursive.recursiveFill(value, number)
  each(value, function(tensor) tensor:fill(number) end)
  return value
end

--- Empty tensors of the same types.
function recursive.recursiveNew(value)
  return each(value, function(tensor) return tensor.new() end)
end

--- Copies of another type: 'torch.DoubleTensor'.
function recursive.recursiveType(value, name)
  return each(value, function(tensor) return tensor:type(name) end)
end

--- The sum of all numbers.
function recursive.recursiveSum(value)
  local sum = 0
  each(value, function(tensor) sum = sum + tensor:detach():to('float64'):sum() end)
  return sum
end

return recursive
