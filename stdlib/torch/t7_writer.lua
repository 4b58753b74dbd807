--- Writes Lua values in Torch7's binary .t7 layout: a tag, then what the tag says.
-- A writer is also the file object that the `write(file)` methods of classes get.
local core = require 'torch.core'
local class = require 'torch.class'

local Writer = {}
Writer.__index = Writer

local TAG = {['nil'] = 0, number = 1, string = 2, table = 3, object = 4, boolean = 5}
-- Deep enough for every model, and far from the limits of the VM's own stack.
local MAX_DEPTH = 1000
local MAX_PATH = 8 -- keys shown in an error
local MAX_INT = 2147483647
local MAX_EXACT = 2 ^ 53
local FLUSH_PARTS, FLUSH_BYTES = 2048, 1048576
local CHUNK_ELEMENTS = 262144

--- `sink` is called with strings, in order; it raises when it cannot take one.
function Writer.new(sink)
  return setmetatable({
    sink = sink, parts = {}, bytes = 0,
    ids = {},       -- table, object, or address of a C object -> id
    alive = {},     -- keeps temporaries alive, lest their address names another object
    last_id = 0, depth = 0, path = {},
  }, Writer)
end

function Writer:put(bytes)
  local parts = self.parts
  parts[#parts + 1] = bytes
  self.bytes = self.bytes + #bytes
  if #parts >= FLUSH_PARTS or self.bytes >= FLUSH_BYTES then self:flush() end
end

function Writer:flush()
  if #self.parts > 0 then self.sink(table.concat(self.parts)) end
  self.parts, self.bytes = {}, 0
end

local function key_text(key)
  if type(key) == 'string' and key:match('^[%a_][%w_]*$') then return '.' .. key end
  if type(key) == 'string' then return ('[%q]'):format(key) end
  return '[' .. tostring(key) .. ']'
end

-- Where in the saved value we are, as one would write it in Lua: .layers[3]["odd name"].
local function path_text(path)
  if #path == 0 then return 'the top' end
  local out = {}
  for i, key in ipairs(path) do
    if i <= MAX_PATH or i == #path then
      out[#out + 1] = key_text(key)
    elseif i == MAX_PATH + 1 then
      out[#out + 1] = ' ... '
    end
  end
  return table.concat(out)
end

function Writer:fail(message, ...)
  error('torch.save: ' .. message:format(...) .. ' at ' .. path_text(self.path), 0)
end

-- ---------------------------------------------------------------------------------------------
-- Plain values. These are also the methods that classes call.

function Writer:writeInt(value)
  self:put(core.pack('i4', value))
end

function Writer:writeLong(value)
  self:put(core.pack('i8', value))
end

function Writer:writeDouble(value)
  self:put(core.pack('d', value))
end

function Writer:writeBool(value)
  self:writeInt(value and 1 or 0)
end

function Writer:writeByte(value)
  self:put(string.char(value % 256))
end

Writer.writeChar = Writer.writeByte

function Writer:writeShort(value)
  local low = value % 256
  self:put(string.char(low, (value - low) / 256 % 256))
end

--- The bytes alone, as Torch7's File does it: the reader must know how many there are.
function Writer:writeString(text)
  self:put(text)
end

function Writer:put_counted(text)
  if #text > MAX_INT then self:fail('a string of %d bytes is too long for the format', #text) end
  self:writeInt(#text)
  self:put(text)
end

function Writer:put_number(value)
  -- Lua 5.4 has 64-bit integers, the format has float64 alone: never lose digits silently.
  local integer = math.type and math.type(value) == 'integer'
  if integer and (value > MAX_EXACT or value < -MAX_EXACT) then
    self:fail('the integer %d does not fit the format, which keeps numbers as float64', value)
  end
  self:writeDouble(value)
end

-- ---------------------------------------------------------------------------------------------
-- Tables and objects: the first time in full, later by their id.

-- Writes tag and id; true when the value has to follow.
function Writer:first_time(tag, value, key)
  self:writeInt(tag)
  local id = self.ids[key]
  if id then
    self:writeInt(id)
    return false
  end
  self.last_id = self.last_id + 1
  self.ids[key] = self.last_id
  self.alive[self.last_id] = value
  self:writeInt(self.last_id)
  return true
end

function Writer:put_fields(tbl)
  local count = 0
  for _ in next, tbl do count = count + 1 end
  self:writeInt(count)
  local path = self.path
  local top = #path + 1
  for key, value in next, tbl do
    path[top] = key
    self:writeObject(key)
    self:writeObject(value)
    path[top] = nil
  end
end

-- The elements of a storage, without a count.
function Writer:put_elements(storage)
  local total = storage:size()
  for first = 1, total, CHUNK_ELEMENTS do
    local count = math.min(CHUNK_ELEMENTS, total - first + 1)
    self:put(core.storage_tostring(storage, first, count))
  end
end

function Writer:put_storage(storage)
  self:writeLong(storage:size())
  self:put_elements(storage)
end

function Writer:put_tensor(tensor)
  local dims = tensor:dim()
  -- An empty tensor has no dimension in Torch7, and no storage.
  if dims <= 1 and tensor:nElement() == 0 then
    self:writeInt(0)
    self:writeLong(1)
    return self:writeObject(nil)
  end
  self:writeInt(dims)
  for d = 1, dims do self:writeLong(tensor:size(d)) end
  for d = 1, dims do self:writeLong(tensor:stride(d)) end
  self:writeLong(tensor:storageOffset())
  self:writeObject(tensor:storage())
end

function Writer:put_class_object(object)
  local mt = getmetatable(object)
  local write = mt.write or mt.__write
  if write then return write(object, self) end
  self:writeInt(TAG.table)
  self.last_id = self.last_id + 1
  self:writeInt(self.last_id)
  self:put_fields(object)
end

-- Version 2 marks a tensor of no dimension that holds one value: Torch7 has no such tensor, and
-- reads it as an empty one.
local function version_of(object, is_tensor)
  if is_tensor and object:dim() == 0 and object:nElement() == 1 then return 2 end
  return class.version(object) or 1
end

function Writer:put_object(object, name)
  local native = type(object) == 'userdata'
  local is_tensor = native and name:find('Tensor$') ~= nil
  local is_storage = native and name:find('Storage$') ~= nil
  if native and not is_tensor and not is_storage and not getmetatable(object).write then
    self:fail('cannot save a %s', name)
  end
  local key = (is_tensor or is_storage) and core.pointer(object) or object
  if not self:first_time(TAG.object, object, key) then return end
  self:put_counted(('V %d'):format(version_of(object, is_tensor)))
  self:put_counted(name)
  if is_tensor then
    self:put_tensor(object)
  elseif is_storage then
    self:put_storage(object)
  else
    self:put_class_object(object)
  end
end

--- Writes any value that a file can hold; a function or coroutine is an error that says where.
function Writer:writeObject(value)
  local kind = type(value)
  local name = class.typename(value)
  self.depth = self.depth + 1
  if self.depth > MAX_DEPTH then self:fail('values are nested deeper than %d', MAX_DEPTH) end
  if name and (kind == 'table' or kind == 'userdata') then
    self:put_object(value, name)
  elseif kind == 'table' then
    if self:first_time(TAG.table, value, value) then self:put_fields(value) end
  elseif kind == 'number' then
    self:writeInt(TAG.number)
    self:put_number(value)
  elseif kind == 'string' then
    self:writeInt(TAG.string)
    self:put_counted(value)
  elseif kind == 'boolean' then
    self:writeInt(TAG.boolean)
    self:writeBool(value)
  elseif kind == 'nil' then
    self:writeInt(TAG['nil'])
  else
    self:fail('cannot save a %s', kind)
  end
  self.depth = self.depth - 1
end

-- writeX(storage) writes all its elements; this is how Torch7 classes write arrays.
for _, method in ipairs {'writeByte', 'writeChar', 'writeShort', 'writeInt', 'writeLong',
    'writeDouble'} do
  local scalar = Writer[method]
  Writer[method] = function(self, value)
    if type(value) == 'userdata' then return self:put_elements(value) end
    return scalar(self, value)
  end
end

function Writer:writeFloat(value)
  if type(value) ~= 'userdata' then
    local one = core.FloatStorage(1)
    one[1] = value
    value = one
  end
  self:put_elements(value)
end

return Writer
