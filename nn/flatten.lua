--- Moves the parameters of a module into one storage, and their gradients into another. Tensors
-- stay the same objects, so that optimizers and the tape know them; what was shared stays so.
local torch = require 'torch'

local function address_of(tensor)
  return torch.pointer(tensor:storage())
end

-- How many elements of its storage a tensor spans, from its first to its last.
local function span(tensor)
  local last = 1
  for d = 1, tensor:dim() do last = last + (tensor:size(d) - 1) * tensor:stride(d) end
  return last
end

local function long_storage(tensor, method)
  local n = tensor:dim()
  local list = torch.LongStorage(n)
  for d = 1, n do list[d] = tensor[method](tensor, d) end
  return list
end

-- ---------------------------------------------------------------------------------------------
-- Parts of storages. A part is a stretch from `first` to `last` that is moved as a whole, to `at`;
-- its members are those of the tensors that lie in it.

local function new_part(tensor, i)
  local first = tensor:storageOffset()
  return {first = first, last = first + span(tensor) - 1, tensor = tensor, members = {i}, rank = i}
end

local function merge(part, other)
  for _, member in ipairs(other.members) do table.insert(part.members, member) end
  part.first = math.min(part.first, other.first)
  part.last = math.max(part.last, other.last)
  part.rank = math.min(part.rank, other.rank)
end

-- For each storage its tensors, in the order of the storage.
local function by_storage(tensors)
  local lists, order = {}, {}
  for i, tensor in ipairs(tensors) do
    if tensor:nElement() > 0 then
      local key = address_of(tensor)
      if not lists[key] then
        lists[key] = {}
        order[#order + 1] = lists[key]
      end
      table.insert(lists[key], new_part(tensor, i))
    end
  end
  for _, list in ipairs(order) do
    table.sort(list, function(a, b)
      if a.first ~= b.first then return a.first < b.first end
      return a.rank < b.rank
    end)
  end
  return order
end

-- Where in their storage the elements of a tensor are.
local function offsets(tensor)
  local sizes = long_storage(tensor, 'size')
  local places = torch.LongTensor():resize(sizes):fill(tensor:storageOffset())
  for d = 1, tensor:dim() do
    local shape = torch.LongStorage(tensor:dim()):fill(1)
    shape[d] = sizes[d]
    local steps = torch.range(0, sizes[d] - 1):to('int64'):mul(tensor:stride(d))
    places:add(steps:view(shape):expand(sizes))
  end
  return places:contiguous():view(places:nElement())
end

local function same_view(a, b)
  return a:isSetTo(b)
end

-- Does every element of the part belong to a tensor, and which one belongs to two?
local function coverage(part, tensors)
  local count = torch.LongTensor(part.last - part.first + 1):zero()
  local seen = {}
  for _, member in ipairs(part.members) do
    local tensor, again = tensors[member], false
    for _, other in ipairs(seen) do again = again or same_view(tensor, other) end
    if not again then
      local places = offsets(tensor):add(1 - part.first)
      count:indexAdd(1, places, torch.LongTensor(places:nElement()):fill(1))
      seen[#seen + 1] = tensor
    end
  end
  return count:min() > 0, count:max() > 1, seen
end

-- A part with holes becomes one part for each different tensor, unless they overlap.
local function without_holes(part, tensors)
  if #part.members == 1 and tensors[part.members[1]]:nElement() == part.last - part.first + 1 then
    return {part}
  end
  local full, overlapping, seen = coverage(part, tensors)
  if full or overlapping then return {part} end
  local parts = {}
  for _, tensor in ipairs(seen) do
    local own = {tensor = tensor, members = {}, packed = tensor:nElement()}
    for _, member in ipairs(part.members) do
      if same_view(tensors[member], tensor) then table.insert(own.members, member) end
    end
    own.first, own.rank = tensor:storageOffset(), own.members[1]
    parts[#parts + 1] = own
  end
  return parts
end

-- The parts, in order of first use, each with its place; and how many elements they have.
local function parts_of(tensors)
  local parts = {}
  local function finish(part)
    for _, one in ipairs(without_holes(part, tensors)) do parts[#parts + 1] = one end
  end
  for _, list in ipairs(by_storage(tensors)) do
    local current
    for _, part in ipairs(list) do
      if current and part.first <= current.last then
        merge(current, part)
      else
        if current then finish(current) end
        current = part
      end
    end
    finish(current)
  end
  table.sort(parts, function(a, b) return a.rank < b.rank end)
  local count = 0
  for _, part in ipairs(parts) do
    part.at = count + 1
    part.size = part.packed or part.last - part.first + 1
    count = count + part.size
  end
  return parts, count
end

-- Is it all one storage already, from its first element to its last, in this order?
local function is_flat(parts, count)
  local storage = address_of(parts[1].tensor)
  for _, part in ipairs(parts) do
    if part.packed or address_of(part.tensor) ~= storage or part.first ~= part.at then
      return false
    end
  end
  return parts[1].tensor:storage():size() == count
end

local function whole(tensor, count)
  return tensor.new(tensor:storage(), 1, torch.LongStorage{count})
end

-- ---------------------------------------------------------------------------------------------
-- Moving.

-- The elements of a part, as they stand in their old place.
local function contents(part)
  local tensor = part.tensor
  if part.packed then return tensor:contiguous():view(part.size) end
  return tensor.new(tensor:storage(), part.first, torch.LongStorage{part.size})
end

-- Where tensor `member` of a part goes: offset, sizes, strides.
local function place_in(part, tensor)
  local sizes = long_storage(tensor, 'size')
  if not part.packed then
    return part.at + tensor:storageOffset() - part.first, sizes, long_storage(tensor, 'stride')
  end
  local strides, step = torch.LongStorage(tensor:dim()), 1
  for d = tensor:dim(), 1, -1 do
    strides[d] = step
    step = step * sizes[d]
  end
  return part.at, sizes, strides
end

-- For each tensor its new place; all before the first is moved, as one may be there twice.
local function places_of(parts, tensors)
  local places = {}
  for _, part in ipairs(parts) do
    for _, member in ipairs(part.members) do places[member] = {place_in(part, tensors[member])} end
  end
  return places
end

local function gather(parts, count)
  local flat = parts[1].tensor.new(count)
  for _, part in ipairs(parts) do flat:narrow(1, part.at, part.size):copy(contents(part)) end
  return flat
end

local function check_types(tensors)
  for _, tensor in ipairs(tensors) do
    if tensor:type() ~= tensors[1]:type() then
      error(('getParameters: parameters of one type expected, got %s and %s'):format(
        tensors[1]:type(), tensor:type()), 0)
    end
  end
end

local function flatten(tensors)
  local parts, count = parts_of(tensors)
  if count == 0 then return torch.Tensor() end
  check_types(tensors)
  if is_flat(parts, count) then return whole(parts[1].tensor, count) end
  local flat, places = gather(parts, count), places_of(parts, tensors)
  for i, place in pairs(places) do
    tensors[i]:set(flat:storage(), place[1], place[2], place[3])
  end
  return flat
end

-- The gradients lie as their parameters do: those of shared parameters become one, their sum.
local function flatten_gradients(parts, places, count, gradients)
  local own, own_count = parts_of(gradients)
  if own_count == count and #own == #parts and is_flat(own, count) then
    local aligned = true
    for i, part in ipairs(own) do aligned = aligned and part.at == parts[i].at end
    if aligned then return whole(own[1].tensor, count) end
  end
  local flat, moved, added = gradients[1].new(count):zero(), {}, {}
  for i in ipairs(gradients) do
    local place, gradient = places[i], gradients[i]
    if place and not moved[torch.pointer(gradient)] then
      -- Two that are views of the same memory are one gradient.
      local source = ('%d:%d'):format(address_of(gradient), gradient:storageOffset())
      local view = flat.new(flat:storage(), place[1], place[2], place[3])
      if not added[source] then view:add(gradient) end
      added[source], moved[torch.pointer(gradient)] = true, true
      gradient:set(flat:storage(), place[1], place[2], place[3])
    end
  end
  return flat
end

local function flatten_both(tensors, gradients)
  local parts, count = parts_of(tensors)
  if count == 0 then return torch.Tensor(), torch.Tensor() end
  check_types(tensors)
  local places = places_of(parts, tensors)
  local flat = flatten(tensors)
  return flat, flatten_gradients(parts, places, count, gradients)
end

local module = {}

--- One vector of all the tensors, which move into its storage. A second call gives the same.
function module.one(tensors)
  if tensors == nil or #tensors == 0 then return torch.Tensor() end
  return torch.no_grad(flatten, tensors)
end

--- See Module:getParameters.
function module.both(tensors, gradients)
  if tensors == nil or #tensors == 0 then return torch.Tensor(), torch.Tensor() end
  return torch.no_grad(flatten_both, tensors, gradients)
end

return module
