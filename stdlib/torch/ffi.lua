--- Tensor memory as LuaJIT's FFI sees it, and memory of the FFI's as tensors.
--
--   x:data()                          a typed pointer to the first element, counted from 0
--   torch.cdata(x)                    a pointer to a struct with Torch7's fields
--   torch.from_ffi(array)             a tensor that shows the array
--   torch.from_pointer(p, sizes, ...) a tensor that shows whatever p points to
local core = require 'torch.core'
local class = require 'torch.class'

local has_ffi, ffi = pcall(require, 'ffi')

-- Half and bfloat16 have no C type: their bits are shown.
local elements = {
  Byte = 'uint8_t', Char = 'int8_t', Short = 'int16_t', Int = 'int32_t', Long = 'int64_t',
  Float = 'float', Double = 'double', Half = 'uint16_t', BFloat16 = 'uint16_t', Bool = 'uint8_t',
}

-- What LuaJIT calls the element types of arrays and pointers, and the tensors of them.
local of_c = {
  ['unsigned char'] = 'Byte', char = 'Char', short = 'Short', int = 'Int', int64_t = 'Long',
  float = 'Float', double = 'Double', bool = 'Bool',
}

local module = {}

-- What pointers and structs keep alive, for as long as they live themselves.
local anchors = setmetatable({}, {__mode = 'k'})

local function need_ffi(name)
  if not has_ffi then error(name .. ': pointers need LuaJIT; this is ' .. _VERSION, 4) end
end

-- 'Float' and 'Tensor' of a FloatTensor.
local function kind_of(object, name)
  local full = class.typename(object) or ''
  local kind, what = full:match('^torch%.(%a+%d*)(%u%l+)$')
  if full:find('^torch%.Cuda') and type(object) == 'userdata' then
    core.data_pointer(object) -- an error: the host cannot read it
  end
  if not elements[kind] or (what ~= 'Tensor' and what ~= 'Storage') then
    error(('%s: tensor or storage expected, got %s'):format(name, class.type(object)), 3)
  end
  return kind, what
end

local function address_of(pointer)
  return tonumber(ffi.cast('uintptr_t', ffi.cast('void *', pointer)))
end

--- x:data(), storage:data(): a pointer to the first element. With `as_number` its address.
-- The pointer keeps the memory alive; it goes stale when the tensor or storage is resized.
function module.data(object, as_number)
  if has_ffi and type(object) == 'cdata' and as_number then return address_of(object) end
  local kind, what = kind_of(object, 'data')
  if as_number then return core.data_address(object) end
  need_ffi('data')
  local pointer = ffi.cast(elements[kind] .. ' *', core.data_pointer(object))
  if what == 'Storage' then anchors[pointer] = object else anchors[pointer] = object:storage() end
  return pointer
end

-- ---------------------------------------------------------------------------------------------
-- Torch7's structs, as old programs read them. Each is a copy made for the call.

local struct_text = [[
typedef struct TH@Storage {
  $ *data;
  ptrdiff_t size;
  int refcount;
  char flag;
  void *allocator;
  void *allocatorContext;
  struct TH@Storage *view;
} TH@Storage;
typedef struct TH@Tensor {
  long *size;
  long *stride;
  int nDimension;
  TH@Storage *storage;
  ptrdiff_t storageOffset;
  int refcount;
  char flag;
} TH@Tensor;]]

local holders = {} -- kind -> a type with room for all that a snapshot of it needs

local function holder_of(kind)
  if not holders[kind] then
    local text = struct_text:gsub('@', kind):gsub('%$', elements[kind])
    pcall(ffi.cdef, text) -- the program may have declared them itself
    local holder = 'struct {TH@Tensor tensor; TH@Storage storage; long dims[16];}'
    holders[kind] = ffi.typeof((holder:gsub('@', kind)))
  end
  return holders[kind]
end

local function fill_storage(holder, storage, kind)
  local to = holder.storage
  if storage == nil then return end
  to.data = ffi.cast(elements[kind] .. ' *', core.data_pointer(storage))
  to.size, to.refcount, to.flag = storage:size(), 1, 7 -- counted, resizable, to be freed
end

local function fill_tensor(holder, tensor)
  local to, dims = holder.tensor, tensor:dim()
  to.size, to.stride = holder.dims, holder.dims + 8
  to.nDimension, to.refcount, to.flag = dims, 1, 1
  to.storage = holder.storage
  to.storageOffset = tensor:storageOffset() - 1
  for d = 1, dims do
    to.size[d - 1], to.stride[d - 1] = tensor:size(d), tensor:stride(d)
  end
end

--- torch.cdata(x): a pointer to a THFloatTensor, THLongStorage, ... with what x is now. Struct and
-- memory live as long as the pointer.
function module.cdata(object, as_number)
  local kind, what = kind_of(object, 'cdata')
  need_ffi('cdata')
  local holder = holder_of(kind)()
  local storage = object
  if what == 'Tensor' then
    storage = object:storage()
    fill_tensor(holder, object)
  end
  fill_storage(holder, storage, kind)
  local part = what == 'Tensor' and holder.tensor or holder.storage
  local pointer = ffi.cast(('TH%s%s *'):format(kind, what), part)
  anchors[pointer] = {holder, storage, not as_number and object or nil}
  if not as_number then return pointer end
  anchors[object] = pointer -- a number keeps nothing alive
  return address_of(pointer)
end

--- The tensor or storage that a pointer of torch.cdata was made from.
function module.object_of(pointer)
  local from = type(pointer) == 'cdata' and anchors[pointer]
  return type(from) == 'table' and from[3] or nil
end

-- ---------------------------------------------------------------------------------------------
-- Memory of the host.

-- Type of the elements, sizes and bytes of what the FFI made: nil where it does not say. A pointer
-- tells its type only.
local function describe(object)
  local text = tostring(ffi.typeof(object)):match('^ctype<(.*)>$') or ''
  local is_pointer = text:find('%*') ~= nil and not text:find('%(%*%)')
  local element, dims = text:match('^([%w_ ]-)%s*%(?&?%)?([%[%]%d%?]*)$')
  if is_pointer then return text:match('^([%w_ ]-)%s*%*$'), nil, nil end
  local bytes, sizes = ffi.sizeof(object), {}
  for size in (dims or ''):gmatch('%[([%d%?]+)%]') do
    sizes[#sizes + 1] = tonumber(size) or math.floor(bytes / ffi.sizeof(element))
  end
  return element, #sizes > 0 and sizes or nil, bytes
end

local function sizes_of(given, name)
  if type(given) == 'number' then return {given} end
  if type(given) == 'table' or class.typename(given) == 'torch.LongStorage' then return given end
  error(('%s: a number or a table of sizes expected, got %s'):format(name, class.type(given)), 4)
end

local function type_of(given, element, name)
  if given ~= nil then
    if type(given) == 'string' then return given end
    error(('%s: the name of a type expected, got %s'):format(name, class.type(given)), 4)
  end
  if element and element:find('^const ') then
    error(name .. ': the memory is const, and tensors can be written to: cast the pointer', 4)
  end
  local kind = of_c[element]
  if not kind and element and element ~= 'void' then
    error(('%s: there are no tensors of %s: name a type'):format(name, element), 4)
  end
  return kind and 'torch.' .. kind .. 'Tensor' or core.getdefaulttensortype()
end

local function check_room(name, sizes, dtype, bytes)
  local wanted = core.empty(0, dtype):elementSize()
  for k = 1, #sizes do wanted = wanted * sizes[k] end
  if bytes and wanted > bytes then
    error(('%s: %.0f bytes wanted, but there are %.0f'):format(name, wanted, bytes), 4)
  end
end

-- Errors of the core come with the caller's position.
local function show(name, address, sizes, dtype, owner)
  local good, tensor = pcall(core.from_pointer, address, sizes, dtype, owner)
  if not good then error((tensor:gsub('^from_pointer', name)), 4) end
  return tensor
end

local function tensor_of(name, pointer, sizes, dtype, owner)
  local element, own_sizes, bytes
  if has_ffi and type(pointer) == 'cdata' then
    element, own_sizes, bytes = describe(pointer)
  elseif type(pointer) ~= 'userdata' or class.typename(pointer) or io.type(pointer) then
    -- light userdata only: a number could be any address
    error(('%s: a pointer expected, got %s'):format(name, class.type(pointer)), 3)
  end
  if sizes == nil then sizes = own_sizes end
  if sizes == nil then
    error(name .. ': a pointer does not say how much there is: give sizes', 3)
  end
  sizes = sizes_of(sizes, name)
  dtype = type_of(dtype, element, name)
  local address = pointer
  if element or bytes then
    local good, number = pcall(address_of, pointer)
    if not good then error(name .. ': this has no address', 3) end
    address = number
  end
  if owner == nil then owner = pointer end
  local tensor = show(name, address, sizes, dtype, owner)
  check_room(name, sizes, dtype, bytes)
  return tensor
end

--- torch.from_pointer(pointer, n or sizes [, dtype [, owner]]): a tensor over memory of the host.
-- The type is the pointer's, if it has one. `owner`, any value, lives as long as the memory is in
-- use; without one that is the pointer.
function module.from_pointer(pointer, sizes, dtype, owner)
  local tensor = tensor_of('from_pointer', pointer, sizes, dtype, owner)
  return tensor
end

--- torch.from_ffi(array [, sizes [, dtype]]): a tensor that shows an array of the FFI's.
function module.from_ffi(array, sizes, dtype)
  need_ffi('from_ffi')
  if type(array) ~= 'cdata' then
    error(('from_ffi: an array of the FFI expected, got %s'):format(class.type(array)), 2)
  end
  local tensor = tensor_of('from_ffi', array, sizes, dtype)
  return tensor
end

--- torch.pushudata(pointer, name): the tensor or storage that a struct of torch.cdata describes.
function module.pushudata(pointer, name)
  need_ffi('pushudata')
  local kind, what = tostring(name):match('^torch%.(%a+%d*)(%u%l+)$')
  local from = type(pointer) == 'cdata' and anchors[pointer]
  local type_name = kind and ('TH%s%s *'):format(kind, what)
  local known = type(from) == 'table' and elements[kind] and holder_of(kind)
  if not known or not ffi.istype(type_name, pointer) then
    error('pushudata: a pointer that torch.cdata gave expected, and the type of what it was made '
      .. 'from', 2)
  end
  local storage = from[2] or core[kind .. 'Storage']()
  if what == 'Storage' then return storage end
  local dims = pointer.nDimension
  local sizes, strides = core.LongStorage(dims), core.LongStorage(dims)
  for d = 1, dims do
    sizes[d], strides[d] = tonumber(pointer.size[d - 1]), tonumber(pointer.stride[d - 1])
  end
  return core[kind .. 'Tensor'](storage, tonumber(pointer.storageOffset) + 1, sizes, strides)
end

return module
