--- How much of a module goes into files: all of it, or not what the next forward and backward make
-- anew. The settings are kept by the modules, also in the files.
local torch = require 'torch'
local parameters = require 'nn.parameters'
local without_gradient = require 'dpnn.gradients'
local Module = torch.getmetatable('nn.Module')

-- What dpnn leaves out of files, and calls gradients. A class may have others.
Module.dpnn_mediumEmpty = {'output', 'gradInput', 'momGradParams', 'dpnn_input'}
Module.dpnn_gradParameters = {'gradWeight', 'gradBias'}

-- The gradients of this module, by name.
local function gradients_of(module)
  local names = {}
  for _, name in ipairs(module.dpnn_gradParameters) do names[#names + 1] = name end
  for _, name in ipairs(module.parameterNames or {}) do
    names[#names + 1] = 'grad' .. name:sub(1, 1):upper() .. name:sub(2)
  end
  return names
end

--- Empties the named fields in files, and converts tensors to a type. `empty`: a list, or a
-- function that makes one of a module.
function Module:serialMode(empty, tensortype)
  self:apply(function(module)
    module.serialEmpty = type(empty) == 'function' and empty(module) or empty
    module.serialType = tensortype
  end)
  return self
end

--- Everything goes into files.
function Module:heavySerial(tensortype)
  return self:serialMode({}, tensortype)
end

--- Everything but results: for training that goes on.
function Module:mediumSerial(tensortype)
  return self:serialMode(function(module) return module.dpnn_mediumEmpty end, tensortype)
end

--- Everything but results and gradients: for a model in use.
function Module:lightSerial(tensortype)
  return self:serialMode(function(module)
    local names = gradients_of(module)
    for _, name in ipairs(module.dpnn_mediumEmpty) do names[#names + 1] = name end
    return names
  end, tensortype)
end

--- The module in an nn.Serial.
function Module:Serial(tensortype)
  return require('nn').Serial(self, tensortype)
end

local function emptied(value)
  if torch.isTensor(value) then return value.new() end
  if type(value) == 'table' then return {} end
  return nil
end

-- The tensors of real numbers in another type.
local function converted(value, name)
  if torch.isTensor(value) then
    return torch.is_floating_point(value) and value:detach():type(name) or value
  end
  return value
end

local write, read = Module.write, Module.read

function Module:write(file)
  local empty, name = rawget(self, 'serialEmpty'), rawget(self, 'serialType')
  local kept = {}
  local function put(key, value)
    if kept[key] == nil then kept[key] = self[key] end
    rawset(self, key, value)
  end
  for _, key in ipairs(empty or {}) do
    if rawget(self, key) ~= nil then put(key, emptied(self[key])) end
  end
  if name then
    local keys = {}
    for key, value in pairs(self) do
      if torch.isTensor(value) then keys[#keys + 1] = key end
    end
    for _, key in ipairs(keys) do put(key, converted(self[key], name)) end
    if self._type then put('_type', name) end
  end
  if rawget(self, 'noBackward') then put('updateOutput', nil) end
  local ok, message = pcall(write, self, file)
  for key, value in pairs(kept) do rawset(self, key, value) end
  if not ok then error(message, 0) end
end

function Module:read(file)
  read(self, file)
  if rawget(self, 'noBackward') then rawset(self, 'updateOutput', without_gradient) end
  if rawget(self, 'serialEmpty') then parameters.link(self) end
end
