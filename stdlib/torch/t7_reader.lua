--- Reads Torch7's binary .t7 layout. No code of the file is ever run, and no count in it is
-- believed before it was compared with the bytes that are left.
-- A reader is also the file object that the `read(file, version)` methods of classes get.
local core = require 'torch.core'
local class = require 'torch.class'

local Reader = {}
Reader.__index = Reader

local MAX_DEPTH = 1000
local MAX_DIMS = 8
local CHUNK_BYTES = 1048576
local MAX_EXACT = 2 ^ 53

--- `source.read(n)` returns up to n bytes; `source.size` is the number of all bytes.
function Reader.new(source, label)
  return setmetatable({
    source = source, label = label, position = 0, objects = {}, depth = 0,
  }, Reader)
end

function Reader:fail(message, ...)
  error(('load: %s: '):format(self.label) .. message:format(...), 0)
end

function Reader:left()
  return self.source.size - self.position
end

-- Exactly `count` bytes.
function Reader:take(count)
  local bytes, why
  if count <= self:left() then bytes, why = self.source.read(count) end
  if not bytes or #bytes < count then
    if why then self:fail('%s at byte %d', why, self.position) end
    self:fail('file ends early at byte %d', self.source.size)
  end
  self.position = self.position + count
  return bytes
end

-- Refuses a count of things of at least `size` bytes that cannot be there.
function Reader:check_count(count, size, what)
  if count < 0 or count > self:left() / size then
    self:fail('%s of %.0f at byte %d, but only %.0f bytes are left', what, count, self.position,
      self:left())
  end
end

-- ---------------------------------------------------------------------------------------------
-- Plain values.

function Reader:readInt()
  return core.unpack('i4', self:take(4), 1)
end

function Reader:readLong()
  return core.unpack('i8', self:take(8), 1)
end

function Reader:readDouble()
  return core.unpack('d', self:take(8), 1)
end

function Reader:readBool()
  return self:readInt() ~= 0
end

function Reader:readByte()
  return self:take(1):byte()
end

function Reader:readChar()
  local value = self:readByte()
  return value < 128 and value or value - 256
end

function Reader:readShort()
  local low, high = self:take(2):byte(1, 2)
  local value = low + 256 * high
  return value < 32768 and value or value - 65536
end

-- Fills a storage from the file, a piece at a time.
function Reader:fill_storage(storage)
  local size, total = storage:elementSize(), storage:size()
  local piece = math.floor(CHUNK_BYTES / size)
  for first = 1, total, piece do
    local count = math.min(piece, total - first + 1)
    core.storage_fromstring(storage, first, self:take(count * size))
  end
  return storage
end

-- A new storage of `count` elements, after checking that the file can hold them.
function Reader:new_storage(name, count)
  local make = core[name:gsub('^torch%.', '')]
  local size = make(1):elementSize()
  self:check_count(count, size, name)
  return make(count)
end

function Reader:readFloat()
  return self:fill_storage(self:new_storage('torch.FloatStorage', 1))[1]
end

-- readX(n) reads n elements as a storage.
for _, kind in ipairs {'Byte', 'Char', 'Short', 'Int', 'Long', 'Float', 'Double'} do
  local scalar = Reader['read' .. kind]
  Reader['read' .. kind] = function(self, count)
    if count == nil then return scalar(self) end
    return self:fill_storage(self:new_storage('torch.' .. kind .. 'Storage', count))
  end
end

--- All that is left ('*a'), or a line ('*l').
function Reader:readString(format)
  format = (format or '*l'):gsub('^%*', '')
  if format == 'a' then return self:take(self:left()) end
  if format ~= 'l' then self:fail("readString takes '*a' or '*l', got '%s'", format) end
  local out = {}
  while self:left() > 0 do
    local char = self:take(1)
    if char == '\n' then break end
    out[#out + 1] = char
  end
  return table.concat(out)
end

function Reader:counted(what)
  local count = self:readInt()
  self:check_count(count, 1, what)
  return self:take(count)
end

-- Lua 5.4 tells 3 from 3.0: whole numbers come back as integers, as they were written.
local function number(value)
  if math.type and value % 1 == 0 and math.abs(value) <= MAX_EXACT
      and not (value == 0 and 1 / value < 0) then
    return math.tointeger(value)
  end
  return value
end

-- ---------------------------------------------------------------------------------------------
-- Tables and objects.

function Reader:read_fields(tbl)
  local count = self:readInt()
  self:check_count(count, 8, 'a table')
  for _ = 1, count do
    local at = self.position
    local key = self:readObject()
    if key == nil or key ~= key then
      self:fail('a table has a key that is nil or NaN at byte %d', at)
    end
    rawset(tbl, key, self:readObject())
  end
  return tbl
end

-- Index of the last element of a view, which has to lie inside of its storage. Computed in
-- floating point, since sizes out of a broken file would overflow integers.
local function last_element(sizes, strides, offset)
  local last = offset + 0.0
  for d = 1, #sizes do last = last + (sizes[d] - 1.0) * strides[d] end
  return last
end

local function long_storage(values)
  local storage = core.LongStorage(#values)
  for i, value in ipairs(values) do storage[i] = value end
  return storage
end

function Reader:read_shape(dims)
  local sizes, strides = {}, {}
  local count = 1.0
  for d = 1, dims do
    sizes[d] = self:readLong()
    count = count * sizes[d]
    if sizes[d] < 0 then self:fail('a tensor of size %.0f at byte %d', sizes[d], self.position) end
  end
  for d = 1, dims do
    strides[d] = self:readLong()
    if strides[d] < 0 then
      self:fail('a tensor of stride %.0f at byte %d', strides[d], self.position)
    end
  end
  if count > MAX_EXACT then
    self:fail('a tensor of %.3g elements at byte %d', count, self.position)
  end
  return sizes, strides, count
end

-- The storage comes after the shape and may hold views of itself nowhere, so the tensor is made
-- last; its id is taken first, as the ids in the file count that way.
function Reader:read_tensor(name, id, version)
  local dims, at = self:readInt(), self.position
  if dims < 0 or dims > MAX_DIMS then
    self:fail('a tensor of %d dimensions at byte %d (at most %d)', dims, at, MAX_DIMS)
  end
  local sizes, strides, count = self:read_shape(dims)
  local offset = self:readLong()
  local storage = self:readObject()
  local wanted = name:gsub('Tensor$', 'Storage')
  if storage ~= nil and class.typename(storage) ~= wanted then
    self:fail('a %s with a %s at byte %d', name, class.type(storage), at)
  end
  if dims == 0 and version < 2 then count = 0 end
  local outside = offset < 1 or not storage or last_element(sizes, strides, offset) > storage:size()
  if count > 0 and outside then
    self:fail('a %s at byte %d reaches beyond its storage', name, at)
  end
  local short = name:gsub('^torch%.', '')
  local tensor
  if dims == 0 and count == 0 then
    tensor = core[short]()
  else
    if count == 0 then storage, offset = core[wanted:gsub('^torch%.', '')](), 1 end
    tensor = core[short](storage, offset, long_storage(sizes), long_storage(strides))
  end
  self.objects[id] = tensor
  return tensor
end

function Reader:read_storage(name, id)
  local storage = self:new_storage(name, self:readLong())
  self.objects[id] = storage
  return self:fill_storage(storage)
end

function Reader:read_class_object(name, id, version)
  local factory = class.factory(name)
  if not factory then
    -- The name may be any bytes when the file is broken.
    local shown = name:sub(1, 60):gsub('[^%w%p ]', '?')
    self:fail("class '%s' is not defined here: require the package that defines it first", shown)
  end
  local object = factory(self)
  self.objects[id] = object
  local mt = getmetatable(object)
  local read = mt.read or mt.__read
  if read then
    read(object, self, version)
    return object
  end
  local at = self.position
  local fields = self:readObject()
  if type(fields) ~= 'table' then
    self:fail('the fields of a %s at byte %d are a %s', name, at, type(fields))
  end
  for key, value in next, fields do rawset(object, key, value) end
  return object
end

function Reader:read_torch_object(id)
  local name = self:counted('a class name')
  local version = tonumber(name:match('^V (%d+)$'))
  -- Very old files have no version string: then the first string is the name.
  if version then name = self:counted('a class name') end
  if core.metatables[name] and name:find('Tensor$') then
    return self:read_tensor(name, id, version or 0)
  end
  if core.metatables[name] and name:find('Storage$') then return self:read_storage(name, id) end
  return self:read_class_object(name, id, version or 0)
end

-- Tables and objects begin with an id; one that was seen before is all there is.
local function by_id(read)
  return function(self)
    local id = self:readInt()
    local known = self.objects[id]
    if known ~= nil then return known end
    return read(self, id)
  end
end

local function refuse_function(self)
  self:fail('there is a function at byte %d: loading a file runs no code, so functions are refused',
    self.position - 4)
end

local readers = {
  [0] = function() return nil end,
  [1] = function(self) return number(self:readDouble()) end,
  [2] = function(self) return self:counted('a string') end,
  [3] = by_id(function(self, id)
    local tbl = {}
    self.objects[id] = tbl
    return self:read_fields(tbl)
  end),
  [4] = by_id(Reader.read_torch_object),
  [5] = Reader.readBool,
  [6] = refuse_function, [7] = refuse_function, [8] = refuse_function,
}

--- The next value of the file.
function Reader:readObject()
  self.depth = self.depth + 1
  if self.depth > MAX_DEPTH then
    self:fail('values are nested deeper than %d at byte %d', MAX_DEPTH, self.position)
  end
  local tag = self:readInt()
  local read = readers[tag]
  if not read then
    self:fail('unknown object tag %d at byte %d: not a .t7 file in binary form?', tag,
      self.position - 4)
  end
  local value = read(self)
  self.depth = self.depth - 1
  return value
end

return Reader
