--- Functions that take or give lists of tensors or of dimensions, and what one asks about types.
local core = require 'torch.core'

local unpack = table.unpack or unpack

local shapes = {}

local function is_tensor(value)
  return type(value) == 'userdata' and core.is_tensor(value)
end

local function check_tensor(value, operation, argument)
  if not is_tensor(value) then
    error(('torch.%s: tensor expected as argument %d, got %s'):format(operation, argument or 1,
      type(value)), 3)
  end
  return value
end

-- The tensors given one by one or as a table.
local function list_of(operation, ...)
  local list = ...
  if type(list) ~= 'table' then list = {...} end
  for k = 1, #list do
    if not is_tensor(list[k]) then
      error(('torch.%s: tensors expected, got %s'):format(operation, type(list[k])), 3)
    end
  end
  return list
end

local function check_whole(value, operation, what)
  if type(value) ~= 'number' or value ~= math.floor(value) or value ~= value then
    error(('torch.%s: a whole number expected as %s, got %s'):format(operation, what,
      tostring(value)), 3)
  end
  return value
end

-- A dimension from 1 on, of a tensor of `dims`.
local function dimension(dim, dims, operation)
  check_whole(dim, operation, 'a dimension')
  local d = dim < 0 and dim + dims + 1 or dim
  if d < 1 or d > dims then
    error(('torch.%s: dimension %d is out of range for a tensor of %d dimensions'):format(operation,
      dim, dims), 3)
  end
  return d
end

local function sizes_of(x)
  return x.shape:totable()
end

-- ---------------------------------------------------------------------------------------------
-- Writing through indices.

--- torch.index_put(x, {keys}, values [, accumulate]): a copy of x after x[{keys}] = values.
function shapes.index_put(x, keys, values, accumulate)
  return check_tensor(x, 'index_put'):clone():index_put(keys, values, accumulate)
end

-- ---------------------------------------------------------------------------------------------
-- Dimensions in another order.

--- x:movedim(from, to): dimensions, one or several, to other places; the others keep their order.
function shapes.movedim(x, from, to)
  local dims = check_tensor(x, 'movedim').ndim
  local sources = type(from) == 'table' and from or {from}
  local places = type(to) == 'table' and to or {to}
  if #sources ~= #places or #sources == 0 then
    error(('torch.movedim: as many places as dimensions expected, got %d and %d'):format(#places,
      #sources), 2)
  end
  local order, taken = {}, {}
  for k = 1, #sources do
    local source = dimension(sources[k], dims, 'movedim')
    local place = dimension(places[k], dims, 'movedim')
    if taken[source] or order[place] then
      error('torch.movedim: a dimension is named twice', 2)
    end
    order[place], taken[source] = source, true
  end
  local next_source = 1
  for place = 1, dims do
    if not order[place] then
      while taken[next_source] do next_source = next_source + 1 end
      order[place], taken[next_source] = next_source, true
    end
  end
  return x:permute(order)
end
shapes.moveaxis = shapes.movedim

-- ---------------------------------------------------------------------------------------------
-- Tensors in pieces.

--- x:unbind([dim]): the slices of a dimension (the first unless said) in a table.
function shapes.unbind(x, dim)
  dim = dimension(dim or 1, check_tensor(x, 'unbind').ndim, 'unbind')
  local slices = {}
  for k = 1, x:size(dim) do slices[k] = x:select(dim, k) end
  return slices
end

local function narrowed(x, dim, first, last)
  return x:narrow(dim, first, math.max(last - first + 1, 0))
end

-- After which index each cut is made. Sizes that do not divide: the first parts are larger by 1.
local function cuts_of(parts, size, operation)
  local cuts = {}
  if type(parts) == 'table' then
    for k = 1, #parts do
      local cut = check_whole(parts[k], operation, 'a cut')
      if cut < 0 then cut = cut + size end
      cuts[k] = math.min(math.max(cut, 0), size)
    end
    return cuts
  end
  check_whole(parts, operation, 'the number of parts')
  if parts < 1 or parts > 1e6 then
    error(('torch.%s: %d parts'):format(operation, parts), 3)
  end
  local at = 0
  for k = 1, parts - 1 do
    at = at + math.floor(size / parts) + (k <= size % parts and 1 or 0)
    cuts[k] = at
  end
  return cuts
end

--- x:tensor_split(n or {cuts} [, dim]): n parts, or parts that end after these indices.
function shapes.tensor_split(x, parts, dim)
  dim = dimension(dim or 1, check_tensor(x, 'tensor_split').ndim, 'tensor_split')
  if is_tensor(parts) then parts = parts:totable() end
  local size = x:size(dim)
  local cuts, pieces, first = cuts_of(parts, size, 'tensor_split'), {}, 1
  for k = 1, #cuts do
    pieces[k] = narrowed(x, dim, math.min(first, size + 1), cuts[k])
    first = cuts[k] + 1
  end
  pieces[#cuts + 1] = narrowed(x, dim, first, size)
  return pieces
end

local function splitter(name, dim, least)
  return function(x, parts)
    local dims = check_tensor(x, name).ndim
    if dims < least then
      error(('torch.%s: at least %d dimensions expected, got %d'):format(name, least, dims), 2)
    end
    local along = name == 'hsplit' and dims == 1 and 1 or dim
    if type(parts) == 'number' and x:size(along) % parts ~= 0 then
      error(('torch.%s: dimension %d of size %d is no multiple of %d'):format(name, along,
        x:size(along), parts), 2)
    end
    return shapes.tensor_split(x, parts, along)
  end
end

shapes.hsplit = splitter('hsplit', 2, 1)
shapes.vsplit = splitter('vsplit', 1, 2)
shapes.dsplit = splitter('dsplit', 3, 3)

-- ---------------------------------------------------------------------------------------------
-- As many dimensions as needed.

local function at_least(name, raise)
  return function(...)
    local list = list_of(name, ...)
    local raised = {}
    for k = 1, #list do raised[k] = raise(list[k]) end
    if type((...)) == 'table' then return raised end
    return unpack(raised)
  end
end

shapes.atleast_1d = at_least('atleast_1d', function(x)
  return x.ndim == 0 and x:view(1) or x
end)
shapes.atleast_2d = at_least('atleast_2d', function(x)
  if x.ndim == 0 then return x:view(1, 1) end
  return x.ndim == 1 and x:unsqueeze(1) or x
end)
shapes.atleast_3d = at_least('atleast_3d', function(x)
  if x.ndim == 0 then return x:view(1, 1, 1) end
  if x.ndim == 1 then return x:unsqueeze(1):unsqueeze(3) end
  return x.ndim == 2 and x:unsqueeze(3) or x
end)

-- ---------------------------------------------------------------------------------------------
-- Broadcasting.

local function broadcast(list, operation)
  local dims = 0
  for k = 1, #list do dims = math.max(dims, #list[k]) end
  local sizes = {}
  for d = 1, dims do sizes[d] = 1 end
  for k = 1, #list do
    for d = 1, #list[k] do
      local place, size = dims - #list[k] + d, list[k][d]
      if size ~= 1 then
        if sizes[place] ~= 1 and sizes[place] ~= size then
          error(('torch.%s: sizes %s and %s do not fit'):format(operation,
            table.concat(list[1], 'x'), table.concat(list[k], 'x')), 3)
        end
        sizes[place] = size
      end
    end
  end
  return sizes
end

--- torch.broadcast_shapes(sizes1, sizes2, ...): the sizes, a LongStorage, that they broadcast to.
function shapes.broadcast_shapes(...)
  local list = {...}
  for k = 1, #list do
    local sizes = list[k]
    if type(sizes) == 'number' then sizes = {sizes} end
    if type(sizes) == 'userdata' then sizes = sizes:totable() end
    if type(sizes) ~= 'table' then
      error(('torch.broadcast_shapes: sizes expected, got %s'):format(type(sizes)), 2)
    end
    for d = 1, #sizes do check_whole(sizes[d], 'broadcast_shapes', 'a size') end
    list[k] = sizes
  end
  return core.LongStorage(broadcast(list, 'broadcast_shapes'))
end

--- torch.broadcast_tensors(x, y, ...): each expanded to the sizes that all broadcast to.
function shapes.broadcast_tensors(...)
  local list, all, expanded = list_of('broadcast_tensors', ...), {}, {}
  for k = 1, #list do all[k] = sizes_of(list[k]) end
  local sizes = broadcast(all, 'broadcast_tensors')
  for k = 1, #list do expanded[k] = list[k]:expand(sizes) end
  if type((...)) == 'table' then return expanded end
  return unpack(expanded)
end

-- ---------------------------------------------------------------------------------------------
-- Grids and combinations.

local function grid(list, indexing)
  local sizes, grids = {}, {}
  for k = 1, #list do
    if list[k].ndim > 1 then error('torch.meshgrid: vectors expected', 3) end
    sizes[k] = list[k]:nElement()
  end
  for k = 1, #list do
    local own = {}
    for d = 1, #list do own[d] = d == k and sizes[k] or 1 end
    grids[k] = list[k]:reshape(own):expand(sizes)
    if indexing == 'xy' and #list >= 2 then grids[k] = grids[k]:transpose(1, 2) end
  end
  return grids
end

-- The options of meshgrid may be a word or {indexing=} as its last argument.
local function meshgrid_arguments(...)
  local list, indexing = {...}, 'ij'
  local last = list[#list]
  if type(last) == 'string' then
    indexing = table.remove(list)
  elseif type(last) == 'table' and last.indexing then
    indexing = table.remove(list).indexing
  end
  if indexing ~= 'ij' and indexing ~= 'xy' then
    error(("torch.meshgrid: indexing is 'ij' or 'xy', got '%s'"):format(tostring(indexing)), 3)
  end
  local given = type(list[1]) == 'table'
  return list_of('meshgrid', unpack(list)), indexing, given
end

--- torch.meshgrid(x, y, ... [, 'ij' or 'xy']): for each vector its values all over the grid.
function shapes.meshgrid(...)
  local list, indexing, given = meshgrid_arguments(...)
  local grids = grid(list, indexing)
  if given then return grids end
  return unpack(grids)
end

--- torch.cartesian_prod(x, y, ...): a row for each choice of one element of every vector.
function shapes.cartesian_prod(...)
  local list = list_of('cartesian_prod', ...)
  if #list == 1 then return list[1] end
  local grids = grid(list, 'ij')
  for k = 1, #grids do grids[k] = grids[k]:reshape(-1) end
  return core.stack(grids, 2)
end

-- How many choices there are, or infinity where they are too many to list.
local function number_of_choices(n, r, repeated)
  if repeated then n = n + r - 1 end
  if r > n then return 0 end
  local count = 1
  for k = 1, math.min(r, n - r) do
    count = count * (n - k + 1) / k
    if count > 1e8 then return math.huge end
  end
  return count
end

-- Calls visit(indices) for all choices of r of n, in order.
local function choices(n, r, repeated, visit)
  local at = {}
  local function choose(place, first)
    if place > r then return visit(at) end
    for k = first, n do
      at[place] = k
      choose(place + 1, repeated and k or k + 1)
    end
  end
  choose(1, 1)
end

--- x:combinations([r=2] [, with_replacement]): a row for each choice of r elements of a vector.
function shapes.combinations(x, r, with_replacement)
  if check_tensor(x, 'combinations').ndim ~= 1 then
    error('torch.combinations: a vector expected', 2)
  end
  r = check_whole(r or 2, 'combinations', 'r')
  if r < 0 or r > 1000 then error(('torch.combinations: r is %d'):format(r), 2) end
  if number_of_choices(x:nElement(), r, with_replacement) * math.max(r, 1) > 1e7 then
    error('torch.combinations: more than 10 million elements', 2)
  end
  local indices, n = {}, 0
  if r > 0 then
    choices(x:nElement(), r, with_replacement, function(at)
      for k = 1, r do
        n = n + 1
        indices[n] = at[k]
      end
    end)
  end
  if n == 0 then return x:new_zeros(0) end
  return x:index(1, core.LongTensor(indices)):view(n / r, r)
end

--- torch.block_diag(x, y, ...): the matrices along the diagonal of a large one.
function shapes.block_diag(...)
  local list = list_of('block_diag', ...)
  local rows, columns, blocks = 0, 0, {}
  for k = 1, #list do
    blocks[k] = shapes.atleast_2d(list[k])
    if blocks[k].ndim ~= 2 then error('torch.block_diag: matrices expected', 2) end
    columns = columns + blocks[k]:size(2)
  end
  local bands = {}
  for k = 1, #blocks do
    local block = blocks[k]
    local height, width = block:size(1), block:size(2)
    bands[k] = core.hstack {block:new_zeros(height, rows), block,
      block:new_zeros(height, columns - rows - width)}
    rows = rows + width
  end
  return core.vstack(bands)
end

local function triangle_indices(name, keep)
  return function(rows, columns, offset)
    check_whole(rows, name, 'the number of rows')
    check_whole(columns, name, 'the number of columns')
    local ones = core.ones(rows, columns, {dtype = 'uint8'})
    return keep(ones, offset or 0):nonzero():t():clone()
  end
end

shapes.tril_indices = triangle_indices('tril_indices', core.tril)
shapes.triu_indices = triangle_indices('triu_indices', core.triu)

-- ---------------------------------------------------------------------------------------------
-- Where something is.

--- torch.where(condition, x, y): x where the condition holds, else y.
-- torch.where(condition): a table of as many index tensors as dimensions; x[that] are the elements.
function shapes.where(condition, x, y, ...)
  if x ~= nil or not is_tensor(condition) then return core.where(condition, x, y, ...) end
  local positions, list = condition:nonzero(), {}
  for d = 1, condition.ndim do list[d] = positions:select(2, d) end
  return list
end

-- ---------------------------------------------------------------------------------------------
-- Types.

local function dtype_of(value, operation)
  local name = is_tensor(value) and value.dtype or core.dtype_name(value)
  if not name then
    error(("torch.%s: no such type: '%s'"):format(operation, tostring(value)), 3)
  end
  return name
end

local kinds = {bool = 1, uint8 = 2, int8 = 2, int16 = 2, int32 = 2, int64 = 2, float16 = 3,
  bfloat16 = 3, float32 = 3, float64 = 3}

--- torch.promote_types(a, b): the type, as 'float32', in which both fit.
function shapes.promote_types(a, b)
  a, b = dtype_of(a, 'promote_types'), dtype_of(b, 'promote_types')
  return core.add(core.zeros(1, {dtype = a}), core.zeros(1, {dtype = b})).dtype
end

--- torch.result_type(x, y): the type that x + y has; either may be a number.
function shapes.result_type(x, y)
  if not is_tensor(x) then x, y = y, x end
  if not is_tensor(x) then return core.Tensor().dtype end
  return core.add(x, y).dtype
end

--- torch.can_cast(from, to): whether the kind of values survives: whole numbers no fractions.
function shapes.can_cast(from, to)
  return kinds[dtype_of(from, 'can_cast')] <= kinds[dtype_of(to, 'can_cast')]
end

local floats = {
  float16 = {bits = 16, eps = 2 ^ -10, max = 65504, tiny = 2 ^ -14, resolution = 1e-3},
  bfloat16 = {bits = 16, eps = 2 ^ -7, max = (2 - 2 ^ -7) * 2 ^ 127, tiny = 2 ^ -126,
    resolution = 1e-2},
  float32 = {bits = 32, eps = 2 ^ -23, max = (2 - 2 ^ -23) * 2 ^ 127, tiny = 2 ^ -126,
    resolution = 1e-6},
  float64 = {bits = 64, eps = 2 ^ -52, max = (2 - 2 ^ -52) * 2 ^ 1023, tiny = 2 ^ -1022,
    resolution = 1e-15},
}

--- torch.finfo([dtype]): {bits=, eps=, max=, min=, tiny=, smallest_normal=, resolution=, dtype=}.
function shapes.finfo(dtype)
  local name = dtype_of(dtype or core.getdefaulttensortype(), 'finfo')
  local of = floats[name]
  if not of then error(('torch.finfo: %s is no floating-point type'):format(name), 2) end
  return {dtype = name, bits = of.bits, eps = of.eps, max = of.max, min = -of.max, tiny = of.tiny,
    smallest_normal = of.tiny, resolution = of.resolution}
end

local bits = {uint8 = 8, int8 = 8, int16 = 16, int32 = 32, int64 = 64}

--- torch.iinfo(dtype): {bits=, max=, min=, dtype=}.
function shapes.iinfo(dtype)
  local name = dtype_of(dtype, 'iinfo')
  local n = bits[name]
  if not n then error(('torch.iinfo: %s is no type of whole numbers'):format(name), 2) end
  local signed = name ~= 'uint8'
  local max = signed and 2 ^ (n - 1) - 1 or 2 ^ n - 1
  local min = signed and -2 ^ (n - 1) or 0
  if math.type and n == 64 then max, min = math.maxinteger, math.mininteger end -- luacheck: ignore
  return {dtype = name, bits = n, max = max, min = min}
end

return shapes
