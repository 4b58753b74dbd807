--- Writes Lua values into a torch.File in Torch7's .t7 layout: a tag, then what the tag says.
-- What was written is remembered in `file.writing`, so that it is written once per file.
local core = require 'torch.core'
local class = require 'torch.class'

local writer = {}

local TAG = {['nil'] = 0, number = 1, string = 2, table = 3, object = 4, boolean = 5,
  ['function'] = 8}
-- Deep enough for every model, and far from the limits of the VM's own stack.
local MAX_DEPTH = 1000
local MAX_PATH = 8 -- keys shown in an error
local MAX_INT = 2147483647
local MAX_EXACT = 2 ^ 53

local native = core.file
local write_int, write_bytes = native.writeInt, native.write_bytes
local write_object

local function new_state()
  return {
    ids = {},      -- table, function, object, or address of a C object -> id
    alive = {},    -- keeps temporaries alive, lest their address names another object
    upvalues = {}, -- identity of an upvalue -> its number in the file
    last_id = 0, depth = 0, path = {},
  }
end

-- ---------------------------------------------------------------------------------------------
-- Errors say where in the value they are, as one would write it in Lua: .layers[3]["odd name"].

local function key_text(key)
  if type(key) == 'string' and key:match('^[%a_][%w_]*$') then return '.' .. key end
  if type(key) == 'string' then return ('[%q]'):format(key) end
  return '[' .. tostring(key) .. ']'
end

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

local function fail(state, message, ...)
  local name = state.name and state.name .. ': ' or ''
  error(name .. message:format(...) .. ' at ' .. path_text(state.path), 0)
end

-- ---------------------------------------------------------------------------------------------
-- Plain values.

local function put_counted(file, state, text)
  if #text > MAX_INT then fail(state, 'a string of %d bytes is too long for the format', #text) end
  write_int(file.stream, #text)
  write_bytes(file.stream, text)
end

local function put_number(file, state, value)
  -- Lua 5.4 has 64-bit integers, the format has float64 alone: never lose digits silently.
  local integer = math.type and math.type(value) == 'integer'
  if integer and (value > MAX_EXACT or value < -MAX_EXACT) then
    fail(state, 'the integer %d does not fit the format, which keeps numbers as float64', value)
  end
  native.writeDouble(file.stream, value)
end

-- ---------------------------------------------------------------------------------------------
-- Tables and objects: the first time in full, later by their id.

-- Writes tag and id; true when the value has to follow.
local function first_time(file, state, tag, value, key)
  write_int(file.stream, tag)
  local id = state.ids[key]
  if id and file.references ~= false then
    write_int(file.stream, id)
    return false
  end
  state.last_id = state.last_id + 1
  if file.references ~= false then
    state.ids[key] = state.last_id
    state.alive[state.last_id] = value
  end
  write_int(file.stream, state.last_id)
  return true
end

local function put_fields(file, state, tbl, hook)
  local count = 0
  for _ in next, tbl do count = count + 1 end
  write_int(file.stream, count)
  local path = state.path
  local top = #path + 1
  for key, value in next, tbl do
    path[top] = key
    write_object(file, state, key, hook)
    write_object(file, state, value, hook)
    path[top] = nil
  end
end

local function long_storage(count, get, tensor)
  local storage = core.LongStorage(count)
  for d = 1, count do storage[d] = get(tensor, d) end
  return storage
end

local function put_tensor(file, state, tensor, hook)
  local dims = tensor:dim()
  -- An empty tensor has no dimension in Torch7, and no storage.
  if dims <= 1 and tensor:nElement() == 0 then
    write_int(file.stream, 0)
    file:writeLong(1)
    return write_object(file, state, nil)
  end
  write_int(file.stream, dims)
  file:writeLong(long_storage(dims, tensor.size, tensor))
  file:writeLong(long_storage(dims, tensor.stride, tensor))
  file:writeLong(tensor:storageOffset())
  write_object(file, state, tensor:storage(), hook)
end

-- 'torch.CudaStorage' is one of floats; all others have the CPU's name behind 'Cuda'.
local function on_cpu(storage)
  local kind = class.typename(storage):match('^torch%.Cuda(.*)Storage$')
  if not kind then return storage end
  return storage:type(('torch.%sStorage'):format(kind == '' and 'Float' or kind))
end

local function put_storage(file, storage)
  file:writeLong(storage:size())
  native.write_storage(file.stream, on_cpu(storage))
end

local function put_class_object(file, state, object, hook)
  local mt = getmetatable(object)
  local write = mt.write or mt.__write
  if write then
    local depth, top = state.depth, #state.path
    write(object, file)
    state.depth = depth
    for i = #state.path, top + 1, -1 do state.path[i] = nil end
    return
  end
  write_int(file.stream, TAG.table)
  state.last_id = state.last_id + 1
  write_int(file.stream, state.last_id)
  put_fields(file, state, object, hook)
end

-- Version 2 marks a tensor of no dimension that holds one value: Torch7 has no such tensor, and
-- reads it as an empty one.
local function version_of(object, is_tensor)
  if is_tensor and object:dim() == 0 and object:nElement() == 1 then return 2 end
  return class.version(object) or 1
end

-- Generators and their like may know how to write themselves; other userdata cannot be written.
local function is_native_data(object, name)
  return core.metatables[name] ~= nil and type(object) == 'userdata'
end

local function put_object(file, state, object, name, hook)
  local is_ours = is_native_data(object, name)
  local is_tensor = is_ours and name:find('Tensor$') ~= nil
  local mt = getmetatable(object)
  if type(object) == 'userdata' and not is_ours and not (mt.write or mt.__write) then
    fail(state, 'cannot save a %s', name)
  end
  local key = is_ours and core.pointer(object) or object
  if not first_time(file, state, TAG.object, object, key) then return end
  put_counted(file, state, ('V %d'):format(version_of(object, is_tensor)))
  put_counted(file, state, name)
  if is_tensor then
    put_tensor(file, state, object, hook)
  elseif is_ours then
    put_storage(file, object)
  else
    put_class_object(file, state, object, hook)
  end
end

-- The bytecode, and the values that the function shares with others: those get a number each.
local function put_function(file, state, fn, hook)
  if not first_time(file, state, TAG['function'], fn, fn) then return end
  local ok, code = pcall(string.dump, fn)
  if not ok then fail(state, 'cannot save a function that is made in C') end
  put_counted(file, state, code)
  local upvalues = {}
  for i = 1, math.huge do
    local name, value = debug.getupvalue(fn, i)
    if name == nil then break end
    local identity = debug.upvalueid(fn, i)
    state.upvalues[identity] = state.upvalues[identity] or state.last_id * 256 + i
    if name == '_ENV' then value = nil end
    upvalues[i] = {name = name, id = state.upvalues[identity], value = value}
  end
  write_object(file, state, upvalues, hook)
end

-- ---------------------------------------------------------------------------------------------

--- Writes any value that a file can hold; a coroutine is an error that says where it is.
function write_object(file, state, value, hook)
  if hook then value = hook(value) end
  local kind = type(value)
  local name = class.typename(value)
  state.depth = state.depth + 1
  if state.depth > MAX_DEPTH then fail(state, 'values are nested deeper than %d', MAX_DEPTH) end
  if name and (kind == 'table' or kind == 'userdata') then
    put_object(file, state, value, name, hook)
  elseif kind == 'table' then
    if first_time(file, state, TAG.table, value, value) then
      put_fields(file, state, value, hook)
    end
  elseif kind == 'number' then
    write_int(file.stream, TAG.number)
    put_number(file, state, value)
  elseif kind == 'string' then
    write_int(file.stream, TAG.string)
    put_counted(file, state, value)
  elseif kind == 'boolean' then
    write_int(file.stream, TAG.boolean)
    file:writeBool(value)
  elseif kind == 'nil' then
    write_int(file.stream, TAG['nil'])
  elseif kind == 'function' and file.with_functions then
    put_function(file, state, value, hook)
  else
    fail(state, 'cannot save a %s', kind)
  end
  state.depth = state.depth - 1
end

-- Only what this module refuses by itself: what is inside of a table is seen when it is written.
function writer.is_writable(file, value)
  local kind = type(value)
  if kind == 'function' then return file.with_functions == true end
  if kind == 'userdata' then
    local name = class.typename(value)
    local mt = getmetatable(value)
    return name ~= nil and (core.metatables[name] ~= nil or (mt.write or mt.__write) ~= nil)
  end
  return kind ~= 'thread' and kind ~= 'cdata'
end

--- file:writeObject: the outermost call reports errors at the line of its caller, or at `level`.
function writer.write(file, value, name, hook, level)
  local state = file.writing
  if not state then
    state = new_state()
    file.writing = state
  end
  if state.depth > 0 then return write_object(file, state, value, hook or state.hook) end
  state.name, state.hook = name, hook
  local ok, message = pcall(write_object, file, state, value, hook)
  state.depth, state.path = 0, {}
  if ok then return end
  if type(message) == 'string' then error(message, level or 2) end
  error(message, 0)
end

--- What follows the class name of a tensor or storage: x:write(file).
function writer.write_native(x, file)
  local state = file.writing or new_state()
  file.writing = state
  if class.typename(x):find('Tensor$') then return put_tensor(file, state, x) end
  put_storage(file, x)
end

return writer
