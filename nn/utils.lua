--- nn.utils: values that may be tables. Torch7's code calls these on the fields of its modules.
local torch = require 'torch'
local values = require 'nn.values'
local conversion = require 'nn.conversion'

local utils = {}

--- The value with all its tensors in another type. Tables stay the same, and modules in them are
-- converted, too. cache: a table that several calls share, so that tensors go on sharing.
function utils.recursiveType(value, name, cache)
  return conversion.value_to_type(value, name, cache)
end

local function fail(name, t1, t2)
  error(('nn.utils.%s: tensors or tables of them expected, got %s and %s'):format(name,
    torch.type(t1), torch.type(t2)), 3)
end

-- Keys of t1 that t2 has not.
local function trim(t1, t2)
  for key in pairs(t1) do
    if t2[key] == nil then t1[key] = nil end
  end
end

-- t1 takes the form of t2: a tensor where t2 is one, a table where that is one.
local function resize(t1, t2)
  if torch.isTensor(t2) then
    t1 = torch.isTensor(t1) and t1 or t2.new()
    torch.no_grad(t1.resize, t1, t2:size())
    return t1
  end
  t1 = type(t1) == 'table' and t1 or {t1}
  for key, part in pairs(t2) do t1[key] = resize(t1[key], part) end
  trim(t1, t2)
  return t1
end

local function is_value(value)
  return torch.isTensor(value) or type(value) == 'table' and torch.typename(value) == nil
end

--- Gives t1 the form and the sizes of t2. Returns both.
function utils.recursiveResizeAs(t1, t2)
  if not is_value(t2) then fail('recursiveResizeAs', t1, t2) end
  return resize(t1, t2), t2
end

--- Copies t2 into t1, which gets its form and sizes. async: taken, and of no effect. Returns both.
function utils.recursiveCopy(t1, t2)
  if not is_value(t2) then fail('recursiveCopy', t1, t2) end
  t1 = resize(t1, t2)
  values.each(function(tensor, from) torch.no_grad(tensor.copy, tensor, from) end, t1, t2)
  return t1, t2
end

--- Fills all tensors with a number. Returns the value.
function utils.recursiveFill(value, number)
  if not is_value(value) then fail('recursiveFill', value, number) end
  values.each(function(tensor) torch.no_grad(tensor.fill, tensor, number) end, value)
  return value
end

local function add(t1, factor, t2)
  if torch.isTensor(t1) and torch.isTensor(t2) then
    torch.no_grad(t1.add, t1, factor, t2)
  elseif type(t1) == 'table' and type(t2) == 'table' then
    for key, part in pairs(t2) do add(t1[key], factor, part) end
  else
    fail('recursiveAdd', t1, t2)
  end
end

--- recursiveAdd(t1, [factor,] t2): adds t2, times a factor, to t1. Returns both.
function utils.recursiveAdd(t1, factor, t2)
  if t2 == nil then factor, t2 = 1, factor end
  add(t1, factor, t2)
  return t1, t2
end

--- addSingletonDimension([result,] tensor, dim): a view with a dimension of size 1 at `dim`.
function utils.addSingletonDimension(...)
  local view, tensor, dim = ...
  if select('#', ...) < 3 then view, tensor, dim = nil, ... end
  if not torch.isTensor(tensor) or type(dim) ~= 'number' or dim < 1 or dim > tensor:dim() + 1 then
    error(('nn.utils.addSingletonDimension: a tensor and a dimension from 1 to %s expected, got %s'
      .. ' and %s'):format(torch.isTensor(tensor) and tensor:dim() + 1 or 'n', torch.type(tensor),
      tostring(dim)), 2)
  end
  local result = tensor:unsqueeze(dim)
  return view and view:set(result) or result
end

--- A view of the tensor with these sizes; a copy where strides do not allow one.
function utils.contiguousView(tensor, ...)
  return tensor:contiguous():view(...)
end

--- clear(object, 'name', ...) or clear(object, {names}): empties these fields, tensors and tables,
-- in such a way that nothing else that refers to them changes. Returns the object.
function utils.clear(object, ...)
  local names = ...
  if type(names) == 'table' then return values.clear(object, (table.unpack or unpack)(names)) end
  return values.clear(object, ...)
end

return utils
