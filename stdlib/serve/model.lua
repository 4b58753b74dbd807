--- A model by name: the files that hold its versions, and what was loaded of them.
--
--   NAME.t7                one file, version 1
--   NAME/3.t7, NAME/4.t7   numbered files, or folders with a file model.t7: the newest is served
--
-- A file is loaded when it looks the same twice in a row (nobody is writing it) and has not changed
-- while it was read. One that cannot be loaded takes the place of nothing: what was there stays.
local core = require 'torch.core'
local torch = require 'torch'

local model = {}
model.__index = model

local file_stamp, folder_names = core.file_stamp, core.folder_names

-- ---------------------------------------------------------------------------------------------
-- Files.

-- version -> path of what lies at `path`; nil and a message when nothing does.
local function candidates(path)
  local kind, why = file_stamp(path)
  if kind == 'file' then return {[1] = path} end
  if kind ~= 'folder' then return nil, kind and path .. ': neither a file nor a folder' or why end
  local names, message = folder_names(path)
  if not names then return nil, message end
  local found = {}
  for _, name in ipairs(names) do
    local number = name:match('^(%d+)%.t7$') or name:match('^%d+$')
    local file = path .. '/' .. name .. (name:find('%.t7$') and '' or '/model.t7')
    if number and #number <= 15 and file_stamp(file) == 'file' then
      found[tonumber(number)] = file
    end
  end
  if next(found) == nil then return nil, path .. ': no file 1.t7, 2.t7, ... inside' end
  return found
end

-- A module, alone or as the field `model` of a checkpoint.
local function module_of(object)
  if torch.isTypeOf(object, 'nn.Module') then return object end
  local inner = type(object) == 'table' and getmetatable(object) == nil and rawget(object, 'model')
  if inner and torch.isTypeOf(inner, 'nn.Module') then return inner end
  error(('holds a %s, not an nn.Module'):format(torch.type(object)), 0)
end

local COMMON, MOST_PLANS, MOST_COUNTED = 3, 6, 256

-- A function that tells which sizes have come so often that a plan is worth while. Not many: what
-- comes is for others to say, and each plan takes memory, and as long as some hundred calls.
local function common_sizes()
  local ready, plans, counts, counted = {}, 0, {}, 0
  return function(input)
    local size = input:dim() > 0 and input:size(1) or 0
    local key = input:nElement() * 65536 + size
    if ready[key] or plans == MOST_PLANS then return ready[key] end
    if not counts[key] then
      if counted == MOST_COUNTED then counts, counted = {}, 0 end
      counted = counted + 1
    end
    counts[key] = (counts[key] or 0) + 1
    if counts[key] < COMMON then return false end
    ready[key], plans = true, plans + 1
    return true
  end
end

-- Calls a frozen model, which allocates nothing, for inputs of common sizes. Where that fails the
-- model itself tells what is wrong with the input; if nothing is, the model cannot be planned.
local function planned(frozen, plain)
  local is_common = common_sizes()
  return function(input)
    if not frozen or type(input) == 'table' or not is_common(input) then return plain(input) end
    local ok, output = pcall(frozen, input)
    if ok then return output end
    output = plain(input)
    frozen = nil
    return output
  end
end

-- The function from input to output. Methods come from the class: the file may hold fields of any
-- name.
local function runner(module)
  local class = getmetatable(module)
  class.evaluate(module)
  local call, no_grad = class.__call__, torch.no_grad
  local function plain(input) return no_grad(call, module, input) end
  if not class.freeze then return plain end
  local ok, frozen = pcall(class.freeze, module)
  return ok and planned(frozen, plain) or plain
end

local TYPES = {float = 'torch.FloatTensor', double = 'torch.DoubleTensor',
  long = 'torch.LongTensor', int = 'torch.IntTensor', half = 'torch.HalfTensor'}

-- What requests are read by: names, the type of the numbers, and in what precision they are read.
local function signature_of(module, options)
  local class = getmetatable(module)
  local dtype = options.dtype and (TYPES[options.dtype] or options.dtype)
    or rawget(module, '_type') or class.type(module)
  if type(dtype) ~= 'string' or not core.metatables[dtype] then
    error(('its tensors are of an unknown type, %s'):format(tostring(dtype)), 0)
  end
  return {name = 'serving_default', inputs = options.inputs or {'input'},
    outputs = options.outputs or {}, dtype = dtype,
    precision = dtype == 'torch.FloatTensor' and 'float32' or 'float64'}
end

-- Loads a file: {run=, signature=, stamp=}. Raises a message.
local function load_file(path, options, pause)
  local _, before = file_stamp(path)
  local module = module_of(torch.load(path, {pause = pause or false}))
  local made = {path = path, stamp = before, run = runner(module),
    signature = signature_of(module, options)}
  local _, after = file_stamp(path)
  if after ~= before then error('it changed while it was read', 0) end
  return made
end

-- ---------------------------------------------------------------------------------------------
-- Models.

--- new(name, path, options) -> a model with nothing loaded. options: inputs, outputs: names in
-- their order; dtype: 'float', 'double', 'long', ... (default: the model's own); keep: how many
-- versions are served, the newest ones (1).
function model.new(name, path, options)
  return setmetatable({name = name, path = path, options = options, versions = {}, failed = {},
    seen = {}, missing = 0}, model)
end

local function newest_first(found)
  local numbers = {}
  for number in pairs(found) do numbers[#numbers + 1] = number end
  table.sort(numbers, function(a, b) return a > b end)
  return numbers
end

-- Why a file was not loaded: without the place in our own files, and without its path, which is no
-- business of clients.
local function reason_of(message, path)
  if type(message) ~= 'string' then return 'an error that is no text' end
  local front = 'load: ' .. path .. ': '
  message = message:gsub('^[%w_/.%-]+%.lua:%d+: ', '')
  return message:sub(1, #front) == front and message:sub(#front + 1) or message
end

-- Tries to load one version; `settled`: it looked the same the last time. Tells whether this
-- version is in service.
function model:try(number, path, settled, log, pause)
  local _, stamp = file_stamp(path)
  local old, failed = self.versions[number], self.failed[number]
  if not stamp or (old and old.stamp == stamp) then return old ~= nil end
  if (failed and failed.stamp == stamp) or not settled then return old ~= nil end
  local ok, made = pcall(load_file, path, self.options, pause)
  local what = ('model "%s" version %.0f'):format(self.name, number)
  if ok then
    self.versions[number], self.failed[number] = made, nil
    log('info', ('%s: loaded %s'):format(what, path))
    return true
  end
  local message = reason_of(made, path)
  self.failed[number] = {stamp = stamp, message = message}
  log('error', ('%s: cannot load %s: %s; %s'):format(what, path, message,
    old and 'the one before stays in service' or 'it is not served'))
  return old ~= nil
end

-- Forgets versions that are too old or whose files are gone.
function model:forget(found, served)
  for number in pairs(self.versions) do
    if not served[number] then self.versions[number] = nil end
  end
  for number in pairs(self.failed) do
    if not found[number] then self.failed[number] = nil end
  end
  self.newest = nil
  for number in pairs(self.versions) do
    if not self.newest or number > self.newest then self.newest = number end
  end
end

--- Looks at the files, loads what is new. first: at once, without waiting for a second look. What
-- vanished is served until it has been missed twice, as somebody may be moving files about.
function model:refresh(log, first, pause)
  local found, why = candidates(self.path)
  if not found then
    self.missing = self.missing + 1
    if not first and self.missing < 2 then return end
    if self.trouble ~= why then log('error', ('model "%s": %s'):format(self.name, why)) end
    self.trouble = why
    return self:forget({}, {})
  end
  self.missing, self.trouble = 0, nil
  local served, count, seen = {}, 0, {}
  for _, number in ipairs(newest_first(found)) do
    local _, stamp = file_stamp(found[number])
    seen[number] = stamp
    if count < (self.options.keep or 1) then
      local settled = first or (stamp ~= nil and self.seen[number] == stamp)
      if self:try(number, found[number], settled, log, pause) then
        served[number], count = true, count + 1
      end
    end
  end
  self.seen = seen
  self:forget(found, served)
end

--- The version in service with this number, or the newest; nil when there is none.
function model:version(number)
  return self.versions[number or self.newest]
end

return model
