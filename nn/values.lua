--- What modules take and give: a tensor, or a table of such values. Anything else passes through.
local torch = require 'torch'

local values = {}

--- fn(tensor) for each tensor; returns a value of the same form.
local function map(fn, value)
  if type(value) == 'userdata' then return fn(value) end
  if type(value) ~= 'table' then return value end
  local out = {}
  for key, part in pairs(value) do out[key] = map(fn, part) end
  return out
end
values.map = map

--- fn(tensor, what stands at the same place of `other`) for each tensor.
local function each(fn, value, other)
  if type(value) == 'userdata' then return fn(value, other) end
  if type(value) ~= 'table' then return end
  for key, part in pairs(value) do each(fn, part, type(other) == 'table' and other[key] or nil) end
end
values.each = each

--- All tensors, as a list.
function values.list_of(value)
  local list = {}
  each(function(tensor) list[#list + 1] = tensor end, value)
  return list
end

function values.detach(tensor)
  return tensor:detach()
end

function values.clone(tensor)
  return tensor:clone()
end

--- The value without its history.
function values.detached(value)
  if type(value) == 'userdata' then return value:detach() end
  return map(values.detach, value)
end

local FLOATS = {float32 = true, float64 = true, float16 = true, bfloat16 = true}

--- The same numbers as the beginning of a new history.
function values.to_leaf(tensor)
  local leaf = tensor:detach()
  if FLOATS[leaf.dtype] then leaf.requires_grad = true end
  return leaf
end

--- Empties fields: tensors become empty, tables lose their entries. What refers to them stays.
function values.clear(object, ...)
  for _, name in ipairs {...} do
    local value = rawget(object, name)
    if type(value) == 'userdata' then
      object[name] = value.new()
    elseif type(value) == 'table' then
      object[name] = {}
    end
  end
  return object
end

--- Is anything recorded for one of the tensors?
function values.is_tracked(value)
  local found = false
  each(function(tensor) found = found or tensor.requires_grad end, value)
  return found
end

--- The same objects, or views of the same memory?
local function same(a, b)
  if rawequal(a, b) then return true end
  if type(a) ~= type(b) then return false end
  if type(a) == 'userdata' then return torch.type(a) == torch.type(b) and a:isSetTo(b) end
  if type(a) ~= 'table' then return a == b end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end
values.same = same

return values
