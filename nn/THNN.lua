--- nn.THNN: Torch7's kernels under their old names, for modules that call them:
--   input.THNN.Threshold_updateOutput(input:cdata(), output:cdata(), 0, 0, false)
-- The arguments are tensors, or pointers that cdata() gave for tensors, then numbers and switches;
-- nil where a tensor is missing. What they compute is what today's modules compute.
local torch = require 'torch'
local rows = require 'nn.thnn.kernels'
local whole = require 'nn.thnn.normalization'
local run = require 'nn.run'

local THNN = {}

-- Torch7's is nil as well: LuaJIT has no ffi.NULL.
THNN.NULL = nil

local has_ffi = pcall(require, 'ffi')

--- The tensor's pointer, or nil for none. Where there are no pointers, the tensor.
function THNN.optionalTensor(tensor)
  if not tensor then return THNN.NULL end
  return has_ffi and tensor:cdata() or tensor
end

--- What the first argument of functions of a library is, see bind. There is none here.
function THNN.getState()
  return THNN.NULL
end

-- ---------------------------------------------------------------------------------------------
-- Arguments.

local function words_of(text)
  local list = {}
  for word in text:gmatch('%S+') do list[#list + 1] = word end
  return list
end

local lists = setmetatable({}, {__index = function(known, text)
  known[text] = words_of(text)
  return known[text]
end})

-- What stands for a tensor as the tensor.
local function plain(value)
  if type(value) == 'cdata' then return require('torch.ffi').object_of(value) end
  return value
end

local TENSORS = {}
for word in ([[input output target gradInput gradOutput weight bias gradWeight gradBias indices
    noise running_mean running_var save_mean save_std]]):gmatch('%S+') do
  TENSORS[word] = true
end

local function is_tensor(value)
  return torch.isTensor(plain(value))
end

-- The arguments by name.
local function named(name, text, ...)
  local a, words = {}, lists[text]
  for i, word in ipairs(words) do
    local value = plain((select(i, ...)))
    if TENSORS[word] and value ~= nil and not torch.isTensor(value) then
      error(('%s: argument %d (%s): a tensor or its cdata expected, got %s; it takes (%s)'):format(
        name, i, word, torch.type(value), table.concat(words, ', ')), 4)
    end
    a[word] = value
  end
  return a
end

local NEEDED = {updateOutput = {'input', 'output'}, updateGradInput = {'gradInput'},
  accGradParameters = {'input', 'gradOutput'}}

local function check_needed(name, method, text, a)
  for _, word in ipairs(NEEDED[method]) do
    if a[word] == nil then
      error(('%s: there is no %s; it takes (%s)'):format(name, word,
        table.concat(lists[text], ', ')), 4)
    end
  end
end

-- ---------------------------------------------------------------------------------------------
-- The work.

-- A module of the row's class without what its constructor would make.
local function module_of(row, a)
  local module = torch.factory('nn.' .. row.class)()
  for word, value in pairs(a) do
    if not TENSORS[word] or word == 'weight' or word == 'bias' then module[word] = value end
  end
  module.inplace = false
  if row.module then row.module(a, module) end
  return module
end

-- The output, recorded where an input is tracked; and the module that gave it.
local function compute(row, a)
  if row.compute then return row.compute(a) end
  local class = require('nn')[row.class] -- loads it
  local module = class and module_of(row, a)
  return run.call(module, a.input, a.target), module
end

local function leaf_of(tensor)
  local leaf = tensor:detach()
  leaf.requires_grad = true
  return leaf
end

-- The gradients of `leaves`, a list, for a.gradOutput; that of a loss may be missing.
local function gradients_of(row, a, leaves)
  local was = torch.set_grad_enabled(true)
  local ok, output = pcall(compute, row, a)
  torch.set_grad_enabled(was)
  if not ok then error(output, 0) end
  if not torch.isTensor(output) or not output.requires_grad then return {} end
  local dy = a.gradOutput or torch.ones_like(output:detach())
  if dy:nElement() ~= output:nElement() then
    error(('gradOutput of size %s does not fit an output of size %s'):format(
      table.concat(dy:size():totable(), 'x'), table.concat(output:size():totable(), 'x')), 0)
  end
  return torch.grad({output}, leaves, {dy:reshape(output:size())})
end

local function store(into, value)
  into:resizeAs(value):copy(value)
end

local methods = {}

function methods.updateOutput(row, a)
  local result, module = compute(row, a)
  if row.is_loss then
    a.output:resize(1):fill(type(result) == 'number' and result or result:item())
  elseif a.inplace then
    a.output:set(a.input:copy(result))
  else
    store(a.output, result)
  end
  if a.indices and module and module.indices then
    a.indices:resize(module.indices:size()):copy(module.indices)
  end
  if a.total_weight then
    local weight = require('nn.criterions.classes').total_weight(a.target, a.weights, a.ignoreIndex)
    a.total_weight:resize(1):fill(weight)
  end
end

function methods.updateGradInput(row, a)
  local gradient
  if row.gradient and a.output then
    gradient = row.gradient(a)
  else
    if a.input == nil then error('there is no input', 0) end
    local leaf = leaf_of(a.input)
    a.input = leaf
    gradient = gradients_of(row, a, {leaf})[1] or torch.zeros_like(leaf:detach())
  end
  if a.inplace and a.gradOutput then
    a.gradInput:set(a.gradOutput:copy(gradient))
  else
    store(a.gradInput, gradient)
  end
end

function methods.accGradParameters(row, a)
  local leaves, into = {}, {}
  for word, gradient in pairs {weight = 'gradWeight', bias = 'gradBias'} do
    if a[gradient] then
      a[word] = leaf_of(a[word] or torch.zeros_like(a[gradient]))
      leaves[#leaves + 1], into[#into + 1] = a[word], a[gradient]
    end
  end
  for i, gradient in pairs(gradients_of(row, a, leaves)) do into[i]:add(a.scale or 1, gradient) end
end

-- ---------------------------------------------------------------------------------------------
-- Functions by name.

-- Torch7 gave up passing some inputs that are not needed; both ways are taken.
local function text_for(row, method, ...)
  if method == 'updateGradInput' and row.short and not is_tensor((select(4, ...))) then
    return row.short
  end
  return row[method == 'updateOutput' and 'forward' or method == 'updateGradInput' and 'backward'
    or 'accumulate']
end

local function guarded(name, fn, ...)
  local ok, message = pcall(torch.no_grad, fn, ...)
  if not ok then error(name .. ': ' .. tostring(message), 3) end
end

local function kernel_of(name)
  if type(name) ~= 'string' then return nil end
  if whole[name] then
    local fn, text = whole[name][1], whole[name][2]
    return function(...) guarded(name, fn, named(name, text, ...)) end
  end
  local family, method = name:match('^(%w+)_(%a+)$')
  local row = rows[family]
  if not row or not methods[method] or method == 'accGradParameters' and not row.accumulate then
    return nil
  end
  return function(...)
    local text = text_for(row, method, ...)
    local a = named(name, text, ...)
    check_needed(name, method, text, a)
    guarded(name, methods[method], row, a)
  end
end

-- All names, sorted.
local function kernel_names()
  local list = {}
  for name in pairs(whole) do list[#list + 1] = name end
  for family, row in pairs(rows) do
    for method in pairs(methods) do
      if method ~= 'accGradParameters' or row.accumulate then
        list[#list + 1] = family .. '_' .. method
      end
    end
  end
  table.sort(list)
  return list
end

local functions = {}
for _, name in ipairs(kernel_names()) do functions[name] = kernel_of(name) end

--- Of each floating type, its kernels: the table that its tensors have as `THNN`.
THNN.kernels = {}
for _, kind in ipairs {'Float', 'Double', 'Half', 'BFloat16'} do
  THNN.kernels['torch.' .. kind .. 'Tensor'] = functions
end
THNN.kernels['torch.CudaTensor'] = functions
THNN.kernels['torch.CudaDoubleTensor'] = functions

--- Calls a kernel by its name and the type of the tensors.
function THNN.runKernel(name, type_name, ...)
  local of_type = THNN.kernels[type_name]
  if not of_type then
    error(('THNN.runKernel: there are no kernels for %s'):format(tostring(type_name)), 2)
  end
  if not of_type[name] then error(("THNN.runKernel: there is no kernel '%s'"):format(name), 2) end
  of_type[name](...)
end

--- Functions of a library of the FFI's: lib.THNN_<type_name><name>(state_getter(), ...) for each of
-- the list `names`, by name.
function THNN.bind(lib, names, type_name, state_getter)
  local bound = {}
  for _, name in ipairs(names) do
    local ok, fn = pcall(function() return lib['THNN_' .. type_name .. name] end)
    if ok and fn then
      bound[name] = function(...) return fn(state_getter(), ...) end
    end
  end
  return bound
end

return THNN
