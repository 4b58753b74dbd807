--- Values of Lua as JSON: tensors as nested arrays, tables that have an element 1 as arrays, other
-- tables as objects with their keys in order. Reading is core.json.decode.
local core = require 'torch.core'
local class = require 'torch.class'

local json = {null = core.json.null, decode = core.json.decode}

local text, number, tensor = core.json.string, core.json.number, core.json.tensor

local function is_tensor(value)
  if type(value) ~= 'userdata' then return false end
  local name = class.typename(value)
  return name ~= nil and name:find('Tensor$') ~= nil
end
json.is_tensor = is_tensor

-- On the CPU, whatever was calculated elsewhere.
local function encode_tensor(value)
  return tensor(value.is_cuda and value:cpu() or value)
end

local function encode(value)
  local kind = type(value)
  if kind == 'string' then return text(value) end
  if kind == 'number' then return number(value) end
  if kind == 'boolean' then return tostring(value) end
  if kind == 'nil' or value == json.null then return 'null' end
  if is_tensor(value) then return encode_tensor(value) end
  if kind ~= 'table' then error(('json: a %s has no form in JSON'):format(kind), 0) end
  local parts = {}
  if value[1] ~= nil then
    for i, item in ipairs(value) do parts[i] = encode(item) end
    return '[' .. table.concat(parts, ',') .. ']'
  end
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = tostring(key) end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = text(key) .. ':' .. encode(value[key]) end
  return '{' .. table.concat(parts, ',') .. '}'
end

--- encode(value) -> text
json.encode = encode

return json
