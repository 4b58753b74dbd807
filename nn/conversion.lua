--- Copies of modules, and modules in another type or at another place. What shared memory goes on
-- sharing it: each storage is copied once.
local torch = require 'torch'

local conversion = {}

local FLOATS = {float32 = true, float64 = true, float16 = true, bfloat16 = true}

local unpack = table.unpack or unpack

local function long_storage(tensor, method)
  local n = tensor:dim()
  local list = torch.LongStorage(n)
  for d = 1, n do list[d] = tensor[method](tensor, d) end
  return list
end

-- Remembers `copy` as what `original` became. The original is kept, lest another gets its address.
local function remember(cache, original, copy)
  cache[torch.pointer(original)] = {copy, original}
  return copy
end

local function remembered(cache, original)
  local entry = cache[torch.pointer(original)]
  return entry and entry[1]
end

local copy_tensor

-- The copy is a leaf with a gradient where the original is one.
local function copy_history(tensor, copy, how, cache)
  if tensor.is_leaf and tensor.requires_grad then
    copy.requires_grad = true
    if tensor.grad then copy.grad = copy_tensor(tensor.grad, how, cache) end
  end
end

-- how(tensor): the new tensor of all elements of a storage.
function copy_tensor(tensor, how, cache)
  local done = remembered(cache, tensor)
  if done then return done end
  local copy
  if tensor:nElement() == 0 then
    copy = how(tensor.new())
  else
    local storage = tensor:storage()
    local all = remembered(cache, storage)
    if not all then
      all = how(tensor.new(storage, 1, torch.LongStorage{storage:size()}))
      remember(cache, storage, all)
    end
    copy = all.new(all:storage(), tensor:storageOffset(), long_storage(tensor, 'size'),
      long_storage(tensor, 'stride'))
  end
  remember(cache, tensor, copy)
  copy_history(tensor, copy, how, cache)
  return copy
end

-- ---------------------------------------------------------------------------------------------
-- Copies.

local function duplicate(tensor) return tensor:clone() end

local function clone_value(value, cache)
  if torch.isTensor(value) then return copy_tensor(value, duplicate, cache) end
  if torch.isStorage(value) then
    return remembered(cache, value) or remember(cache, value, value.new(value:size()):copy(value))
  end
  if type(value) ~= 'table' then return value end
  if cache[value] then return cache[value] end
  local name = torch.typename(value)
  local copy = name and torch.factory(name)() or {}
  cache[value] = copy
  for key, part in next, value do
    rawset(copy, clone_value(key, cache), clone_value(part, cache))
  end
  if not name then setmetatable(copy, getmetatable(value)) end
  return copy
end

--- See Module:clone. Functions among the fields are kept as they are, and so are the tensors of the
-- list `kept`.
function conversion.clone(module, kept)
  local cache = {}
  for _, tensor in ipairs(kept or {}) do remember(cache, tensor, tensor) end
  return torch.no_grad(clone_value, module, cache)
end

-- ---------------------------------------------------------------------------------------------
-- Types and places.

-- The conversion under way. Modules inside of one that is converted are asked by its method, which
-- their class may override, and find here what is done already.
local current

local function is_module(value)
  return torch.isTypeOf(value, 'nn.Module') or torch.isTypeOf(value, 'nn.Criterion')
end

local convert_fields

-- Tensors of indices and masks keep their type, and go where the others go.
local function convert_tensor(tensor, job)
  if FLOATS[tensor.dtype] or job.all then
    if job.stays(tensor) then return tensor end
    return copy_tensor(tensor, job.how, job.cache)
  end
  if tensor.device == job.device then return tensor end
  return copy_tensor(tensor, function(x) return x:to(job.device) end, job.cache)
end

local function convert_value(value, job)
  if torch.isTensor(value) then return convert_tensor(value, job) end
  if type(value) == 'table' and is_module(value) then
    value[job.method](value, unpack(job.arguments))
  elseif type(value) == 'table' then
    convert_fields(value, job)
  end
  return value
end

function convert_fields(value, job)
  if job.visited[value] then return end
  job.visited[value] = true
  for key, part in next, value do
    if type(part) == 'userdata' or type(part) == 'table' then
      local new = convert_value(part, job)
      if not rawequal(new, part) then rawset(value, key, new) end
    end
  end
end

local function run_job(fn, value, job)
  local outer = current
  local inner = outer and outer.name == job.name and outer.method == job.method
  job.visited = inner and outer.visited or {}
  current = job
  local ok, result = pcall(torch.no_grad, fn, value, job)
  current = outer
  if ok then return result end
  error((tostring(result):gsub('^[^:]*conversion%.lua:%d+: ', '')), outer and 0 or 4)
end

-- A cache may serve conversions to several types.
local function cache_for(cache, name)
  cache[name] = cache[name] or {}
  return cache[name]
end

-- Of the conversion around this one, where that has the same aim: tensors go on sharing.
local function common_cache(name)
  return current and current.name == name and current.common or {}
end

-- Where tensors of the type are: the device of an empty one.
local function probe_of(name)
  local short = type(name) == 'string' and name:gsub('^torch%.', '')
  return short and torch[short] and torch[short]()
end

local function type_job(name, cache)
  cache = cache or common_cache(name)
  local probe = probe_of(name)
  return {method = 'type', arguments = {name, cache}, name = name, common = cache,
    cache = cache_for(cache, name), device = probe and probe.device or 'cpu',
    stays = function(tensor) return tensor:type() == name end,
    how = function(tensor) return tensor:type(name) end}
end

local function check_name(name)
  local known = probe_of(name)
  if type(name) ~= 'string' or known and not FLOATS[known.dtype] then
    error(("type: a floating-point type such as 'torch.DoubleTensor' expected, got %s"):format(
      tostring(name)), 4)
  end
end

--- See Module:type. cache: a table that several conversions share, so that tensors go on sharing.
function conversion.to_type(module, name, cache)
  check_name(name)
  run_job(convert_fields, module, type_job(name, cache))
  rawset(module, '_type', name)
end

--- Tensors of any type, in tables or not. Returns the new value; tables stay the same.
function conversion.value_to_type(value, name, cache)
  local job = type_job(name, cache)
  job.all = true
  return run_job(convert_value, value, job)
end

-- Every tensor gets `tensor[method](tensor, ...)`; every module inside, too.
local function each(module, probe, method, ...)
  local arguments, name = {...}, probe:type()
  local common = common_cache(name)
  local function how(tensor) return tensor[method](tensor, unpack(arguments)) end
  run_job(convert_fields, module, {method = method, arguments = arguments, name = name, how = how,
    common = common, cache = cache_for(common, name), device = probe.device,
    stays = function(tensor)
      local moved = how(tensor.new())
      return moved.device == tensor.device and moved.dtype == tensor.dtype
    end})
end

--- Module:cuda, Module:cpu, Module:to. base: Module or Criterion; a class that has a `type` of its
-- own is converted by that, as Torch7's modules all are.
function conversion.move(module, base, method, ...)
  local probe = torch.Tensor():type(module._type or torch.getdefaulttensortype())
  probe = probe[method](probe, ...)
  local name = probe:type()
  local own = module.type ~= base.type and FLOATS[probe.dtype]
  if own and probe_of(name).device == probe.device then
    module:type(name)
  else
    each(module, probe, method, ...)
  end
  module._type = name
end

return conversion
