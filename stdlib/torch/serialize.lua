--- torch.save, torch.load and their relatives: values in files and strings, in Torch7's layout.
local core = require 'torch.core'
local Writer = require 'torch.t7_writer'
local Reader = require 'torch.t7_reader'

local serialize = {}

-- Raises a message at the caller of the public function; anything but text passes unchanged.
local function raise(message)
  if type(message) == 'string' then error(message, 3) end
  error(message, 0)
end

local function check_mode(operation, mode, referenced)
  if mode == 'ascii' then
    raise(('torch.%s: the ascii form is not available: use binary'):format(operation))
  elseif mode == 'b32' then
    raise(('torch.%s: files with 32-bit sizes are not supported'):format(operation))
  elseif mode ~= nil and mode ~= 'binary' and mode ~= 'b64' then
    raise(("torch.%s: mode must be 'binary', got '%s'"):format(operation, tostring(mode)))
  end
  if referenced == false then
    raise(('torch.%s: referenced = false is not supported'):format(operation))
  end
end

local function check_path(operation, path)
  if type(path) ~= 'string' then
    raise(('torch.%s: expected a file name, got %s'):format(operation, type(path)))
  end
end

-- ---------------------------------------------------------------------------------------------
-- Saving. The file appears under its name only when all of it is on the disk.

-- Devices and pipes cannot be replaced by a renamed file: these are written in place.
local function is_special(path)
  return path:match('^/dev/') ~= nil or path:match('^/proc/') ~= nil
end

local function check_io(path, ok, why)
  if not ok then error(('torch.save: %s: %s'):format(path, tostring(why)), 0) end
end

-- Other writers of the same file, in this process or another, must get another name.
local function temporary_name(path)
  local mark = ('%p'):format({}):gsub('^0x', '')
  return ('%s.%s-%.0f.tmp'):format(path, mark, os.time() % 1000000)
end

local function write_all(file, path, object)
  local writer = Writer.new(function(bytes) check_io(path, file:write(bytes)) end)
  writer:writeObject(object)
  writer:flush()
  check_io(path, file:flush())
end

local function save_to(path, target, object)
  local file, why = io.open(target, 'wb')
  if not file then
    local reason = tostring(why):gsub('^.*: ', '')
    error(('torch.save: cannot write %s: %s'):format(path, reason), 0)
  end
  local ok, message = pcall(write_all, file, path, object)
  local closed, close_why = file:close()
  if not ok then error(message, 0) end
  check_io(path, closed, close_why)
  if target ~= path then check_io(path, core.fsync_rename(target, path)) end
end

--- torch.save(path, object): a crash or a full disk leaves the old file as it was.
function serialize.save(path, object, mode, referenced)
  check_path('save', path)
  check_mode('save', mode, referenced)
  local target = is_special(path) and path or temporary_name(path)
  local ok, message = pcall(save_to, path, target, object)
  if not ok then
    if target ~= path then os.remove(target) end
    raise(message)
  end
end

--- torch.serialize(object) -> a string.
function serialize.serialize(object, mode)
  check_mode('serialize', mode)
  local parts = {}
  local writer = Writer.new(function(bytes) parts[#parts + 1] = bytes end)
  local ok, message = pcall(writer.writeObject, writer, object)
  if not ok then raise(message) end
  writer:flush()
  return table.concat(parts)
end

-- ---------------------------------------------------------------------------------------------
-- Loading.

local function string_source(bytes)
  local position = 0
  return {
    size = #bytes,
    read = function(count)
      local piece = bytes:sub(position + 1, position + count)
      position = position + count
      return piece
    end,
  }
end

local function file_source(file)
  local size = file:seek('end')
  if not size or not file:seek('set') then
    -- A pipe: nobody can say how long it is before it was read.
    return string_source(file:read('*a') or '')
  end
  return {size = size, read = function(count)
    if count == 0 then return '' end
    return file:read(count)
  end}
end

local function read_file(file, path)
  return Reader.new(file_source(file), path):readObject()
end

--- torch.load(path): runs no code of the file; functions in it are refused.
function serialize.load(path, mode, referenced)
  check_path('load', path)
  check_mode('load', mode, referenced)
  local file, why = io.open(path, 'rb')
  if not file then raise('load: cannot open ' .. tostring(why)) end
  local ok, result = pcall(read_file, file, path)
  file:close()
  if not ok then raise(result) end
  return result
end

--- torch.deserialize(string) -> the object that torch.serialize was given.
function serialize.deserialize(bytes, mode)
  if type(bytes) ~= 'string' then
    raise(('torch.deserialize: expected a string, got %s'):format(type(bytes)))
  end
  check_mode('deserialize', mode)
  local reader = Reader.new(string_source(bytes), 'string')
  local ok, result = pcall(reader.readObject, reader)
  if not ok then raise(result) end
  return result
end

--- The same through a CharStorage, which threads of Torch7 code pass around.
function serialize.serializeToStorage(object, mode)
  local bytes = serialize.serialize(object, mode)
  local storage = core.CharStorage(#bytes)
  core.storage_fromstring(storage, 1, bytes)
  return storage
end

function serialize.deserializeFromStorage(storage, mode)
  return serialize.deserialize(core.storage_tostring(storage, 1, storage:size()), mode)
end

serialize.saveobj = serialize.save
serialize.loadobj = serialize.load

return serialize
