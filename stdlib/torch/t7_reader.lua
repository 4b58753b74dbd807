--- Reads Torch7's .t7 layout from a torch.File. No code of the file is run unless the file was told
-- so, and no count in it is believed before it was compared with the bytes that are left.
-- What was read is remembered in `file.reading`, as later parts of the file refer to it.
local core = require 'torch.core'
local class = require 'torch.class'

local reader = {}

local MAX_DEPTH = 1000
local MAX_DIMS = 8
local MAX_EXACT = 2 ^ 53

local native = core.file
local read_int, read_double, left = native.readInt, native.readDouble, native.left
local read_bytes, read_storage = native.read_bytes, native.read_storage
local read_object

local function fail(message, ...)
  error(message:format(...), 0)
end

-- The byte that is read next, counted from 0.
local function at(file)
  return file:position() - 1
end

-- Where the tag stood that was just read; in ASCII, where it ended.
local function tag_place(file)
  return at(file) - (file:isBinary() and 4 or 0)
end

-- Refuses a count of things that cannot be there, of at least `size` bytes each in binary form.
local function check_count(file, count, size, what)
  local rest = left(file.stream, count * size)
  if count >= 0 and (not rest or count <= rest / size) then return end
  if count < 0 or file:isBinary() or count > rest then
    fail('%s of %.0f at byte %d, but only %.0f bytes are left', what, count, at(file), rest or 0)
  end
end

local function counted(file, what)
  local count = read_int(file.stream)
  check_count(file, count, 1, what)
  return read_bytes(file.stream, count)
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
-- Tables.

local function read_fields(file, state, tbl)
  local count = read_int(file.stream)
  check_count(file, count, 8, 'a table')
  for _ = 1, count do
    local key = read_object(file, state)
    if key == nil or key ~= key then
      if file:hasError() then return tbl end -- a quiet file ended
      fail('a table has a key that is nil or NaN before byte %d', at(file))
    end
    rawset(tbl, key, read_object(file, state))
  end
  return tbl
end

-- ---------------------------------------------------------------------------------------------
-- Tensors and storages.

-- The CPU's type for a GPU's: 'torch.CudaTensor' is one of floats.
local function cpu_name(name)
  local kind, ending = name:match('^torch%.Cuda(%w-)(Tensor)$')
  if not kind then kind, ending = name:match('^torch%.Cuda(%w-)(Storage)$') end
  if not kind then return name end
  local here = ('torch.%s%s'):format(kind == '' and 'Float' or kind, ending)
  return core.metatables[here] and here or name
end

-- Where tensors of a GPU go: to the device that the file was told, else to the current GPU, and to
-- the CPU where there is none.
local function device_of(file)
  if file.device then return file.device end
  file.device = core.cuda and core.cuda.is_available() and core.device_types and 'cuda' or 'cpu'
  return file.device
end

-- The name of the type that a tensor or storage of this name gets here.
local function name_here(file, name)
  local here = cpu_name(name)
  if here == name or device_of(file) == 'cpu' then return here end
  core.device_types()
  return core.metatables[name] and name or here
end

-- The storage of a GPU's type, with what was read.
local function placed(file, storage, name)
  local here = cpu_name(name)
  if here == name then return storage end
  if storage:size() == 0 then return core[name:gsub('^torch%.', '')](0) end
  local short = here:gsub('^torch%.', ''):gsub('Storage$', 'Tensor')
  return core[short](storage):to(device_of(file)):storage()
end

-- Index of the last element of a view, which has to lie inside of its storage. Computed in
-- floating point, since sizes out of a broken file would overflow integers.
local function last_element(sizes, strides, offset)
  local last = offset + 0.0
  for d = 1, sizes:size() do last = last + (sizes[d] - 1.0) * strides[d] end
  return last
end

local function read_shape(file, dims)
  local sizes, strides = file:readLong(dims), file:readLong(dims)
  local count = 1.0
  for d = 1, sizes:size() do
    count = count * sizes[d]
    if sizes[d] < 0 then fail('a tensor of size %.0f at byte %d', sizes[d], at(file)) end
  end
  for d = 1, strides:size() do
    if strides[d] < 0 then fail('a tensor of stride %.0f at byte %d', strides[d], at(file)) end
  end
  if count > MAX_EXACT then fail('a tensor of %.3g elements at byte %d', count, at(file)) end
  return sizes, strides, count
end

-- The storage comes after the shape and may hold views of itself nowhere, so the tensor is made
-- last.
local function read_tensor(file, name, version)
  local dims, where = read_int(file.stream), at(file)
  if dims < 0 or dims > MAX_DIMS then
    fail('a tensor of %d dimensions at byte %d (at most %d)', dims, where, MAX_DIMS)
  end
  local sizes, strides, count = read_shape(file, dims)
  local offset = file:readLong()
  local storage = file:readObject()
  local short, wanted = name:gsub('^torch%.', ''), name:gsub('Tensor$', 'Storage')
  if file:hasError() then return core[short]() end
  if storage ~= nil and class.typename(storage) ~= wanted then
    fail('a %s with a %s at byte %d', name, class.type(storage), where)
  end
  if dims == 0 and version < 2 then count = 0 end
  local outside = offset < 1 or not storage or last_element(sizes, strides, offset) > storage:size()
  if count > 0 and outside then fail('a %s at byte %d reaches beyond its storage', name, where) end
  if dims == 0 and count == 0 then return core[short]() end
  if count == 0 then storage, offset = core[wanted:gsub('^torch%.', '')](), 1 end
  return core[short](storage, offset, sizes, strides)
end

-- Elements that are read between two pauses, where the caller wants any.
local PIECE = 2 ^ 18

local function read_in_pieces(file, make, read, count)
  local storage = make(count)
  for first = 1, count, PIECE do
    read(file.stream, make(storage, first, math.min(PIECE, count - first + 1)))
    file.pause()
  end
  return storage
end

local function cpu_storage_of(file, name)
  local short = name:gsub('^torch%.', '')
  local count, size = file:readLong(), core[short](1):elementSize()
  check_count(file, count, short == 'LongStorage' and 4 or size, name) -- 4 bytes in 'b32'
  local read = native['read' .. short:gsub('Storage$', '')] -- not there for all types
  if file.pause and read and count > PIECE and file:isBinary() then
    return read_in_pieces(file, core[short], read, count)
  end
  return read_storage(file.stream, name:gsub('Storage$', 'Tensor'), count)
end

local function storage_of(file, name)
  return placed(file, cpu_storage_of(file, cpu_name(name)), name)
end

-- ---------------------------------------------------------------------------------------------
-- Objects of classes.

-- Fields of modules that name types.
local TYPE_FIELDS = {_type = true, intype = true, outtype = true, moduleType = true,
  tensortype = true}

--- What such a field of an object is where the object is read to.
function reader.field(file, key, value)
  if TYPE_FIELDS[key] and type(value) == 'string' and value:find('^torch%.Cuda') then
    return name_here(file, value)
  end
  return value
end

local function read_class_object(file, objects, name, id, version)
  local factory = class.factory(name)
  if not factory then
    -- The name may be any bytes when the file is broken.
    local shown = name:sub(1, 60):gsub('[^%w%p ]', '?')
    fail("class '%s' is not defined here: require the package that defines it first", shown)
  end
  local object = factory(file)
  if id then objects[id] = object end
  local mt = getmetatable(object)
  local read = mt.read or mt.__read
  if read then
    read(object, file, version)
    return object
  end
  local where = at(file)
  local fields = file:readObject()
  if file:hasError() then return object end
  if type(fields) ~= 'table' then
    fail('the fields of a %s at byte %d are a %s', name, where, type(fields))
  end
  for key, value in next, fields do rawset(object, key, reader.field(file, key, value)) end
  return object
end

local function read_torch_object(file, state, id)
  local name = counted(file, 'a class name')
  local version = tonumber(name:match('^V (%d+)$'))
  -- Very old files have no version string: then the first string is the name.
  if version then name = counted(file, 'a class name') end
  local here = name_here(file, name)
  local object
  if core.metatables[here] and here:find('Tensor$') then
    object = read_tensor(file, here, version or 0)
  elseif core.metatables[here] then
    object = storage_of(file, here)
  else
    return read_class_object(file, state.objects, name, id, version or 0)
  end
  if id then state.objects[id] = object end
  return object
end

-- ---------------------------------------------------------------------------------------------
-- Functions: bytecode runs with all that the program may do, so it is read only when asked for.

local function load_code(code, where)
  local fn, why = (loadstring or load)(code, '=(file)') -- luacheck: ignore
  if not fn then
    fail('the function at byte %d was not made by this virtual machine (%s)', where, why)
  end
  return fn
end

-- Tags 6 and 7 list the plain values of upvalues, tag 8 {name, id, value}; an id that was seen
-- before is a variable that two functions share.
local function set_upvalues(state, fn, values, tag)
  for i, upvalue in ipairs(type(values) == 'table' and values or {}) do
    if tag ~= 8 then
      debug.setupvalue(fn, i, upvalue)
    elseif type(upvalue) == 'table' and upvalue.name == '_ENV' then
      debug.setupvalue(fn, i, _G)
    elseif type(upvalue) == 'table' and debug.getupvalue(fn, i) ~= nil then
      local known = upvalue.id ~= nil and state.upvalues[upvalue.id]
      if known then
        debug.upvaluejoin(fn, i, known[1], known[2])
      else
        debug.setupvalue(fn, i, upvalue.value)
        if upvalue.id ~= nil then state.upvalues[upvalue.id] = {fn, i} end
      end
    end
  end
end

local function read_function(file, state, tag)
  local where = tag_place(file)
  if not file.with_functions then
    fail('there is a function at byte %d: loading a file runs no code, so functions are refused '
      .. 'unless {functions = true} is given', where)
  end
  local id
  if tag ~= 6 then
    id = read_int(file.stream)
    if state.objects[id] ~= nil then return state.objects[id] end
  end
  local fn = load_code(counted(file, 'a function'), where)
  if id and file.references ~= false then state.objects[id] = fn end
  set_upvalues(state, fn, file:readObject(), tag)
  return fn
end

-- ---------------------------------------------------------------------------------------------

-- Tables and objects begin with an id; one that was seen before is all there is.
local function by_id(read)
  return function(file, state)
    local id = read_int(file.stream)
    local known = state.objects[id]
    if known ~= nil then return known end
    return read(file, state, file.references ~= false and id or nil)
  end
end

local readers = {
  [0] = function() return nil end,
  [1] = function(file) return number(read_double(file.stream)) end,
  [2] = function(file) return counted(file, 'a string') end,
  [3] = by_id(function(file, state, id)
    local tbl = {}
    if id then state.objects[id] = tbl end
    return read_fields(file, state, tbl)
  end),
  [4] = by_id(read_torch_object),
  [5] = function(file) return read_int(file.stream) ~= 0 end,
}
for tag = 6, 8 do
  readers[tag] = function(file, state) return read_function(file, state, tag) end
end

function read_object(file, state)
  state.depth = state.depth + 1
  if state.depth > MAX_DEPTH then
    fail('values are nested deeper than %d at byte %d', MAX_DEPTH, at(file))
  end
  if file.pause then file.pause() end
  local tag = read_int(file.stream)
  local read = readers[tag]
  if not read then
    fail('unknown object tag %d at byte %d: not a .t7 file in %s form?', tag, tag_place(file),
      file:isBinary() and 'binary' or 'ascii')
  end
  local value = read(file, state)
  state.depth = state.depth - 1
  return value
end

--- file:readObject: the outermost call reports errors at the line of its caller.
function reader.read(file)
  local state = file.reading
  if not state then
    state = {objects = {}, upvalues = {}, depth = 0}
    file.reading = state
  end
  if state.depth > 0 then return read_object(file, state) end
  local ok, value = pcall(read_object, file, state)
  state.depth = 0
  if ok then return value end
  if type(value) == 'string' then error(value, 2) end
  error(value, 0)
end

--- x:read(file): what follows the class name of a tensor or storage becomes x.
function reader.read_native(x, file)
  file.reading = file.reading or {objects = {}, upvalues = {}, depth = 0}
  local name = class.typename(x)
  if name:find('Tensor$') then
    x:set(read_tensor(file, name, 1))
  else
    local storage = storage_of(file, name)
    x:resize(storage:size()):copy(storage)
  end
end

return reader
