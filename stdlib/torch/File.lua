--- Numbers, strings and objects in files, as Torch7 has them: DiskFile, MemoryFile and PipeFile.
-- A new file is in ASCII form; file:binary() switches. A failure raises an error, unless the file
-- is quiet: then file:hasError() tells. Positions are bytes, from 1.
local core = require 'torch.core'
local class = require 'torch.class'

local package = {}
local File = class.class('torch.File', package)

--- Use torch.DiskFile, torch.MemoryFile or torch.PipeFile: a torch.File alone holds nothing.
function File:__init()
  error('torch.File: use torch.DiskFile, torch.MemoryFile or torch.PipeFile', 3)
end

-- ---------------------------------------------------------------------------------------------
-- Methods that are made in C: each takes the file object, and errors name the line of the caller.

local native = core.file
for _, kind in ipairs {'Byte', 'Char', 'Short', 'Int', 'Long', 'Float', 'Double'} do
  File['read' .. kind] = native['read' .. kind]
  File['write' .. kind] = native['write' .. kind]
end
for _, name in ipairs {'readString', 'writeString', 'position', 'seek', 'seekEnd', 'synchronize',
    'binary', 'ascii', 'autoSpacing', 'noAutoSpacing', 'quiet', 'pedantic', 'hasError',
    'clearError', 'isOpened', 'isQuiet', 'isReadable', 'isWritable', 'isBinary',
    'isAutoSpacing'} do
  File[name] = native[name]
end

--- Closes the file; what is still to be written is written first.
function File:close()
  self.writing, self.reading = nil, nil
  native.close(self)
  return self
end

--- A truth value, which takes as much room as an Int.
function File:readBool()
  return self:readInt() == 1
end

function File:writeBool(value)
  self:writeInt(value and 1 or 0)
end

-- ---------------------------------------------------------------------------------------------
-- Objects.

--- Writes any value: nil, number, string, boolean, table, tensor, storage or object of a class.
-- What was written before is written as a reference to it. name: what an error calls the value;
-- hook(value) may put another value in its place, and in the place of all that is in it.
function File:writeObject(object, name, hook)
  return require('torch.t7_writer').write(self, object, name, hook)
end

--- The next value of the file. Runs no code of the file: see file:functions().
function File:readObject()
  return require('torch.t7_reader').read(self)
end

--- file:referenced(false): write each object in full, whether it was written before or not.
function File:referenced(flag)
  self.references = flag ~= false
  return self
end

function File:isReferenced()
  return self.references ~= false
end

--- file:functions(true) lets functions be written, and read: then reading can run code.
function File:functions(flag)
  self.with_functions = flag ~= false
  return self
end

--- Whether writeObject takes such a value.
function File:isWritableObject(object)
  return require('torch.t7_writer').is_writable(self, object)
end

function File:__tostring__()
  local mode = (self:isReadable() and 'r' or '') .. (self:isWritable() and 'w' or '')
  local name = self.name and (' on <%s>'):format(self.name) or ''
  return ('%s%s [status: %s -- mode %s]'):format(class.type(self), name,
    self:isOpened() and 'open' or 'closed', mode)
end

-- ---------------------------------------------------------------------------------------------
-- The three kinds.

local function check_name(name, what)
  if type(name) ~= 'string' then
    error(('torch.%s expected, got %s'):format(what, type(name)), 3)
  end
end

-- Errors of C name this file; the caller wants to see the line of its own.
local function open(level, make, ...)
  local ok, stream, why = pcall(make, ...)
  if not ok then error((stream:gsub('^[^\n]-:%d+: ', '')), level + 1) end
  return stream, why
end

-- Gives nil when a quiet file cannot be opened: therefore these classes have no __init.
local function open_by_name(mt, open_it, name, mode, quiet)
  if type(mode) == 'boolean' then mode, quiet = nil, mode end
  mode = mode or 'r'
  local stream, why = open(2, open_it, name, mode)
  if not stream then
    if quiet then return nil end
    error(('cannot open <%s> in mode %s: %s'):format(name, mode, why), 2)
  end
  local file = setmetatable({stream = stream, name = name}, mt)
  if quiet then file:quiet() end
  return file
end

local DiskFile = class.class('torch.DiskFile', 'torch.File', package)
local PipeFile = class.class('torch.PipeFile', 'torch.File', package)

--- A file on a disk. mode: 'r' (unless given), 'w' to begin it anew, or 'rw', which makes it when
-- it is not there. quiet: nil instead of an error when it cannot be opened.
function DiskFile.__constructor(name, mode, quiet)
  check_name(name, 'DiskFile: a file name')
  return open_by_name(DiskFile, native.open_disk, name, mode, quiet)
end

--- What a shell command writes (mode 'r', unless given), or reads ('w').
function PipeFile.__constructor(command, mode, quiet)
  check_name(command, 'PipeFile: a command')
  return open_by_name(PipeFile, native.open_pipe, command, mode, quiet)
end

DiskFile.new, PipeFile.new = DiskFile.__constructor, PipeFile.__constructor

for _, name in ipairs {'isLittleEndianCPU', 'nativeEndianEncoding', 'littleEndianEncoding',
    'bigEndianEncoding', 'longSize', 'noBuffer'} do
  DiskFile[name], PipeFile[name] = native[name], native[name]
end

local MemoryFile = class.class('torch.MemoryFile', 'torch.File', package)
MemoryFile.longSize = native.longSize

--- A file in memory; both may be left out. mode: 'rw' (unless given), 'r' or 'w'. storage: a
-- CharStorage whose bytes are the file, but for its last one, which is 0.
function MemoryFile:__init(storage, mode)
  if type(storage) == 'string' and mode == nil then storage, mode = nil, storage end
  self.stream = open(3, native.open_memory, mode or 'rw', storage)
  -- old programs copy objects through such files: what is in it, the program itself has written
  self.with_functions = storage == nil and require('torch.th').installed or nil
end

--- The CharStorage that holds all bytes of the file, and a 0 after them.
MemoryFile.storage = native.storage

return package
