--- torch.save, torch.load and their relatives: values in files and strings, in Torch7's layout.
-- All of them accept a table of options at the end: mode ('binary', 'ascii', and 'b32' or 'b64'
-- for the size of a Long), referenced (false: write what is shared as often as it appears),
-- functions (true: functions are written and read; reading one can run code of the file), and
-- device (what a file has of a GPU's tensors is read to there; by default to the current GPU, or to
-- the CPU where there is none).
local core = require 'torch.core'
local files = require 'torch.File'
local writer = require 'torch.t7_writer'

local serialize = {}

-- As `th`, functions are written without being asked for, as in Torch7; reading always has to ask.
local th = require 'torch.th'
local WRITES = {save = true, serialize = true, serializeToStorage = true}
local MODES = {binary = true, ascii = true, b32 = true, b64 = true}

-- Raises a message at the caller of the public function; anything but text passes unchanged.
local function raise(message)
  if type(message) == 'string' then error(message, 3) end
  error(message, 0)
end

-- ([mode] [, referenced] [, options]), or options alone.
local function read_options(operation, mode, referenced, options)
  local out = {mode = 'binary', referenced = true, pause = false}
  out.functions = WRITES[operation] and th.installed or false
  if not WRITES[operation] then out.device = false end
  local function refuse(message, ...)
    error(('torch.%s: '):format(operation) .. message:format(...), 4)
  end
  for _, given in ipairs {mode or false, referenced or false, options or false} do
    for name, value in pairs(type(given) == 'table' and given or {}) do
      if out[name] == nil then refuse("no such option: '%s'", tostring(name)) end
      out[name] = value
    end
  end
  if type(mode) ~= 'table' and mode ~= nil then out.mode = mode end
  if type(referenced) == 'boolean' then out.referenced = referenced end
  if not MODES[out.mode] then
    refuse("mode must be 'binary', 'ascii', 'b32' or 'b64', got '%s'", tostring(out.mode))
  end
  return out
end

local function prepare(file, options)
  if options.mode == 'ascii' then file:ascii() else file:binary() end
  if options.mode == 'b32' then file:longSize(4) end
  file:referenced(options.referenced)
  file:functions(options.functions)
  file.pause, file.device = options.pause or nil, options.device or nil
  return file
end

local function check_path(operation, path)
  if type(path) ~= 'string' then
    error(('torch.%s: expected a file name, got %s'):format(operation, type(path)), 3)
  end
end

-- ---------------------------------------------------------------------------------------------
-- Saving. The file appears under its name only when all of it is on the disk.

-- Devices and pipes cannot be replaced by a renamed file: these are written in place.
local function is_special(path)
  return path:match('^/dev/') ~= nil or path:match('^/proc/') ~= nil
end

-- Other writers of the same file, in this process or another, must get another name.
local function temporary_name(path)
  local mark = ('%p'):format({}):gsub('^0x', '')
  return ('%s.%s-%.0f.tmp'):format(path, mark, core.clock() * 1e6 % 1e9)
end

local function write_all(file, object)
  writer.write(file, object, nil, nil, 0)
  file:synchronize()
  file:close()
end

local function save_to(path, target, object, options)
  local stream, why = core.file.open_disk(target, 'w')
  if not stream then error(('torch.save: cannot write %s: %s'):format(path, why), 0) end
  local file = setmetatable({stream = stream, name = target}, getmetatable(files.DiskFile))
  local ok, message = pcall(write_all, prepare(file, options), object)
  if not ok then
    file:quiet()
    if file:isOpened() then file:close() end
    if type(message) == 'string' then message = ('torch.save: %s: %s'):format(path, message) end
    error(message, 0)
  end
  if target == path then return end
  local renamed, reason = core.fsync_rename(target, path)
  if not renamed then error('torch.save: ' .. reason, 0) end
end

--- torch.save(path, object [, 'binary' | 'ascii'] [, referenced] [, options])
-- a crash or a full disk leaves the old file as it was. options: {mode=, referenced=, functions=}.
function serialize.save(path, object, mode, referenced, options)
  check_path('save', path)
  local chosen = read_options('save', mode, referenced, options)
  local target = is_special(path) and path or temporary_name(path)
  local ok, message = pcall(save_to, path, target, object, chosen)
  if not ok then
    if target ~= path then core.remove(target) end
    raise(message)
  end
end

-- A file in memory that holds the object.
local function in_memory(object, options)
  local file = prepare(files.MemoryFile('rw'), options)
  writer.write(file, object, nil, nil, 0)
  return file
end

--- torch.serialize(object [, mode] [, options]) -> a string.
function serialize.serialize(object, mode, options)
  local chosen = read_options('serialize', mode, nil, options)
  local ok, file = pcall(in_memory, object, chosen)
  if not ok then raise(type(file) == 'string' and 'torch.serialize: ' .. file or file) end
  return core.file.contents(file)
end

--- torch.serializeToStorage(object [, mode]) -> a CharStorage.
function serialize.serializeToStorage(object, mode, options)
  local chosen = read_options('serializeToStorage', mode, nil, options)
  local ok, file = pcall(in_memory, object, chosen)
  if not ok then raise(type(file) == 'string' and 'torch.serializeToStorage: ' .. file or file) end
  local storage = file:storage()
  file:close()
  return storage:resize(storage:size() - 1) -- without the 0 at its end
end

-- ---------------------------------------------------------------------------------------------
-- Loading.

local function read_all(file, label, options)
  local ok, result = pcall(file.readObject, prepare(file, options))
  if file:isOpened() then file:quiet():close() end
  if ok then return result end
  error(type(result) == 'string' and ('load: %s: %s'):format(label, result) or result, 0)
end

--- torch.load(path [, mode] [, options]): runs no code of the file; functions in it are refused,
-- but for torch.load(path, {functions = true}). mode: 'binary', 'ascii', 'b32' or 'b64'. Tensors of
-- a GPU go back to one, or to the CPU where there is none or {device = 'cpu'} asks for it. With
-- {pause = f}, f() is called before each value that is read, and each million bytes of a large one,
-- and may yield: others get their turn.
function serialize.load(path, mode, referenced, options)
  check_path('load', path)
  local chosen = read_options('load', mode, referenced, options)
  local stream, why = core.file.open_disk(path, 'r')
  if not stream then
    local place = why == 'Is a directory' and 'load: ' or 'load: cannot open '
    raise(('%s%s: %s'):format(place, path, why))
  end
  local file = setmetatable({stream = stream, name = path}, getmetatable(files.DiskFile))
  local ok, result = pcall(read_all, file, path, chosen)
  if not ok then raise(result) end
  return result
end

--- torch.deserialize(string [, mode] [, options]) -> the object that torch.serialize was given.
function serialize.deserialize(bytes, mode, options)
  if type(bytes) ~= 'string' then
    raise(('torch.deserialize: expected a string, got %s'):format(type(bytes)))
  end
  local chosen = read_options('deserialize', mode, nil, options)
  local stream = core.file.open_memory('r', bytes)
  local file = setmetatable({stream = stream}, getmetatable(files.MemoryFile))
  local ok, result = pcall(read_all, file, 'string', chosen)
  if not ok then raise(result) end
  return result
end

--- torch.deserializeFromStorage(storage [, mode]): from what serializeToStorage has made.
function serialize.deserializeFromStorage(storage, mode, options)
  local chosen = read_options('deserializeFromStorage', mode, nil, options)
  local ok, result = pcall(function()
    local stream = core.file.open_memory('r', core.storage_tostring(storage, 1, storage:size()))
    local file = setmetatable({stream = stream}, getmetatable(files.MemoryFile))
    return read_all(file, 'storage', chosen)
  end)
  if not ok then raise(result) end
  return result
end

--- torch.saveobj, torch.loadobj: torch.save and torch.load under their oldest names.
serialize.saveobj = serialize.save
serialize.loadobj = serialize.load

return serialize
