--- The parameters of modules: making them, listing them, moving them into one storage, copying.
local torch = require 'torch'

local parameters = {}

-- weight -> gradWeight
local function gradient_name(name)
  return 'grad' .. name:sub(1, 1):upper() .. name:sub(2)
end

-- Torch7's modules have no list of names, but these two.
local CLASSIC = {'weight', 'bias'}

local function names_of(module)
  return module.parameterNames or CLASSIC
end

-- A gradient of a parameter is the tensor that backward adds to.
local function link_pair(tensor, gradient)
  if tensor.grad == gradient then return end
  tensor.requires_grad = true
  tensor.grad = gradient
end

--- Ties each parameter of the module itself to its gradient, which is made where it is missing.
function parameters.link(module)
  for _, name in ipairs(names_of(module)) do
    local tensor = module[name]
    if torch.isTensor(tensor) and tensor:nElement() > 0 then
      local grad = gradient_name(name)
      if not torch.isTensor(module[grad]) or module[grad]:nElement() ~= tensor:nElement() then
        module[grad] = torch.zeros_like(tensor:detach())
      end
      link_pair(tensor, module[grad])
    end
  end
end

--- See Module:parameter.
function parameters.create(module, name, ...)
  local tensor = torch.zeros(...)
  if not module.parameterNames then module.parameterNames = {} end
  table.insert(module.parameterNames, name)
  module[name] = tensor
  module[gradient_name(name)] = torch.zeros(...)
  parameters.link(module)
  return tensor
end

local function add_own(module, tensors, gradients)
  parameters.link(module)
  for _, name in ipairs(names_of(module)) do
    if torch.isTensor(module[name]) then
      tensors[#tensors + 1] = module[name]
      gradients[#gradients + 1] = module[gradient_name(name)]
    end
  end
end

--- See Module:parameters.
function parameters.list(module)
  local tensors, gradients = {}, {}
  add_own(module, tensors, gradients)
  for _, child in ipairs(module:children()) do
    local more, more_gradients = child:parameters()
    for i, tensor in ipairs(more or {}) do
      tensors[#tensors + 1] = tensor
      gradients[#gradients + 1] = more_gradients[i]
      link_pair(tensor, more_gradients[i])
    end
  end
  return tensors, gradients
end

function parameters.any(module)
  local tensors = module:parameters()
  return tensors ~= nil and #tensors > 0
end

-- ---------------------------------------------------------------------------------------------
-- One vector of all.

-- How many elements of its storage a tensor spans, from its first to its last.
local function span(tensor)
  local last = 1
  for d = 1, tensor:dim() do last = last + (tensor:size(d) - 1) * tensor:stride(d) end
  return last
end

-- The parts of storages that the tensors use, in order of first use; parts that overlap, as of
-- shared parameters, are one. Returns the parts, and for each tensor the part it lies in.
local function parts_of(tensors)
  local by_storage, order = {}, {}
  for i, tensor in ipairs(tensors) do
    local key = torch.pointer(tensor:storage())
    local first = tensor:storageOffset()
    local part = {first = first, last = first + span(tensor) - 1, tensor = tensor, members = {i}}
    by_storage[key] = by_storage[key] or {}
    for _, other in ipairs(by_storage[key]) do
      if not other.merged and other.first <= part.last and part.first <= other.last then
        for _, member in ipairs(other.members) do table.insert(part.members, member) end
        part.first = math.min(part.first, other.first)
        part.last = math.max(part.last, other.last)
        part.rank = math.min(part.rank or other.rank, other.rank)
        other.merged = true
      end
    end
    part.rank = part.rank or i
    table.insert(by_storage[key], part)
    order[#order + 1] = part
  end
  local parts, part_of = {}, {}
  for _, part in ipairs(order) do
    if not part.merged then parts[#parts + 1] = part end
  end
  table.sort(parts, function(a, b) return a.rank < b.rank end)
  for _, part in ipairs(parts) do
    for _, member in ipairs(part.members) do part_of[member] = part end
  end
  return parts, part_of
end

-- Is it all one storage already, from its first element to its last, in this order?
local function already_flat(parts, count)
  local storage = torch.pointer(parts[1].tensor:storage())
  for _, part in ipairs(parts) do
    local same = torch.pointer(part.tensor:storage()) == storage
    if not same or part.first ~= part.at then return false end
  end
  return parts[1].tensor:storage():size() == count
end

local function check_types(tensors)
  for _, tensor in ipairs(tensors) do
    if tensor:type() ~= tensors[1]:type() then
      error(('getParameters: parameters of one type expected, got %s and %s'):format(
        tensors[1]:type(), tensor:type()), 4)
    end
  end
end

local function long_storage(tensor, method)
  local n = tensor:dim()
  local values = torch.LongStorage(n)
  for d = 1, n do values[d] = tensor[method](tensor, d) end
  return values
end

local function move(tensors, gradients, part_of, flat, flat_gradient)
  local storage, gradient_storage = flat:storage(), flat_gradient:storage()
  -- All before the first is moved: one tensor may be there twice.
  local offsets = {}
  for i, tensor in ipairs(tensors) do
    offsets[i] = part_of[i].at + tensor:storageOffset() - part_of[i].first
  end
  for i, tensor in ipairs(tensors) do
    local part, gradient, offset = part_of[i], gradients[i], offsets[i]
    local sizes, strides = long_storage(tensor, 'size'), long_storage(tensor, 'stride')
    local view = flat_gradient.new(gradient_storage, offset, sizes, strides)
    -- One that is shared already lies where it belongs, and must not be added to itself.
    if torch.pointer(gradient:storage()) ~= torch.pointer(gradient_storage) then
      local source = torch.pointer(gradient:storage()) .. ':' .. gradient:storageOffset()
      part.sources = part.sources or {}
      if not part.sources[source] then view:add(gradient) end
      part.sources[source] = true
      gradient:set(gradient_storage, offset, sizes, strides)
    end
    tensor:set(storage, offset, sizes, strides)
  end
end

local function flatten(tensors, gradients)
  local parts, part_of = parts_of(tensors)
  local count = 0
  for _, part in ipairs(parts) do
    part.at = count + 1
    count = count + part.last - part.first + 1
  end
  local flat
  if already_flat(parts, count) then
    flat = tensors[1].new(tensors[1]:storage(), 1, torch.LongStorage{count})
  else
    flat = tensors[1].new(count)
    for _, part in ipairs(parts) do
      local size = part.last - part.first + 1
      local old = flat.new(part.tensor:storage(), part.first, torch.LongStorage{size})
      flat:narrow(1, part.at, size):copy(old)
    end
  end
  local gradient_parts = parts_of(gradients)
  if #gradient_parts == #parts then
    for i, part in ipairs(gradient_parts) do part.at = parts[i].at end
    if already_flat(parts, count) and already_flat(gradient_parts, count) then
      return flat, gradients[1].new(gradients[1]:storage(), 1, torch.LongStorage{count})
    end
  end
  local flat_gradient = gradients[1].new(count):zero()
  move(tensors, gradients, part_of, flat, flat_gradient)
  return flat, flat_gradient
end

--- See Module:getParameters. The tensors stay the same objects, so that optimizers and the tape go
-- on knowing them. A second call gives the same two storages.
function parameters.flatten(tensors, gradients)
  if tensors == nil or #tensors == 0 then return torch.Tensor(), torch.Tensor() end
  check_types(tensors)
  return torch.no_grad(function() return flatten(tensors, gradients) end)
end

-- ---------------------------------------------------------------------------------------------
-- Copies, converted or not. What shared memory goes on sharing it.

-- cache: what was copied -> its copy; tensors and storages by address.
local function copy_tensor(tensor, to_type, cache)
  local key = torch.pointer(tensor)
  if cache[key] then return cache[key] end
  local storage = tensor:storage()
  local copy
  local make = torch[to_type:gsub('^torch%.', '')]
  if storage == nil or tensor:nElement() == 0 then
    copy = make()
  else
    local storage_key = torch.pointer(storage)
    if not cache[storage_key] then
      local all = tensor.new(storage, 1, torch.LongStorage{storage:size()})
      cache[storage_key] = make(storage:size()):copy(all):storage()
      -- Keeps the old one alive, lest another gets its address.
      cache[cache[storage_key]] = storage
    end
    copy = make(cache[storage_key], tensor:storageOffset(), long_storage(tensor, 'size'),
      long_storage(tensor, 'stride'))
  end
  cache[key] = copy
  if tensor.is_leaf and tensor.requires_grad then
    copy.requires_grad = true
    if tensor.grad then copy.grad = copy_tensor(tensor.grad, to_type, cache) end
  end
  return copy
end

local function clone_value(value, cache)
  if torch.isTensor(value) then return copy_tensor(value, value:type(), cache) end
  if type(value) ~= 'table' then return value end
  if cache[value] then return cache[value] end
  local name = torch.typename(value)
  local copy = name and torch.factory(name)() or {}
  cache[value] = copy
  for key, part in pairs(value) do rawset(copy, key, clone_value(part, cache)) end
  if not name then setmetatable(copy, getmetatable(value)) end
  return copy
end

--- See Module:clone. Functions among the fields are kept as they are.
function parameters.clone(module)
  return torch.no_grad(clone_value, module, {})
end

local function is_real(tensor)
  return tensor:type():find('Float') or tensor:type():find('Double') or tensor:type():find('Half')
end

local function convert_fields(value, to_type, cache)
  if cache[value] then return end
  cache[value] = true
  for key, part in pairs(value) do
    if torch.isTensor(part) then
      if is_real(part) then rawset(value, key, copy_tensor(part, to_type, cache)) end
    elseif type(part) == 'table' then
      convert_fields(part, to_type, cache)
    end
  end
  if rawget(value, '_type') then value._type = to_type end
end

--- See Module:type.
function parameters.convert(module, to_type, cache)
  local make = type(to_type) == 'string' and torch[to_type:gsub('^torch%.', '')]
  if not make or not is_real(make()) then
    error(("type: a floating-point type such as 'torch.DoubleTensor' expected, got %s"):format(
      tostring(to_type)), 3)
  end
  torch.no_grad(convert_fields, module, to_type, cache or {})
end

return parameters
