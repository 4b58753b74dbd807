--- The package torch: the C core, and what is written in Lua around it.
local core = require 'torch.core'
local class = require 'torch.class'

local torch = {}
for name, value in pairs(core) do torch[name] = value end
torch.describe, torch.file, torch.remove = nil, nil, nil -- torch.ops is what it gives; torch.File
torch.json, torch.file_stamp, torch.folder_names = nil, nil, nil -- for the package serve
torch.generator_metatable, torch.begin_map, torch.data_cell, torch.data_address = nil, nil, nil, nil
torch.device_types = nil

-- ---------------------------------------------------------------------------------------------
-- Classes.

class.register_package('torch', torch)
for _, name in ipairs {'class', 'type', 'typename', 'isTypeOf', 'factory', 'getmetatable',
    'setmetatable', 'newmetatable', 'getconstructortable', 'version', 'metatype'} do
  torch[name] = class[name]
end
--- torch.register_package(name, table): where torch.class puts the classes called name.X.
torch.register_package = class.register_package
torch.pointer = function(object)
  if type(object) == 'cdata' then return require('torch.ffi').data(object, true) end
  if type(object) == 'userdata' and core.pointer then return core.pointer(object) end
  return class.pointer(object)
end

--- Are both the same object? Two handles on one tensor or storage are.
function torch.isequal(a, b)
  if rawequal(a, b) then return true end
  if type(a) ~= 'userdata' or type(b) ~= 'userdata' then return false end
  return torch.pointer(a) == torch.pointer(b)
end

-- ---------------------------------------------------------------------------------------------
-- Recording and precision for the time of a call. In Lua, so that the function may yield.

-- What was is restored, also after an error, which goes on as it is.
local function restored(restore, was, ok, ...)
  restore(was)
  if not ok then error((...), 0) end
  return ...
end

local function check_function(name, f)
  if type(f) ~= 'function' then
    error(name .. ': a function expected, got ' .. type(f), 3)
  end
end

--- torch.no_grad(f, ...): calls f(...) and records no gradients meanwhile.
function torch.no_grad(f, ...)
  check_function('no_grad', f)
  return restored(core.set_grad_enabled, core.set_grad_enabled(false), pcall(f, ...))
end

--- torch.enable_grad(f, ...): the same with recording switched on.
function torch.enable_grad(f, ...)
  check_function('enable_grad', f)
  return restored(core.set_grad_enabled, core.set_grad_enabled(true), pcall(f, ...))
end

--- torch.autocast([dtype,] f, ...): calls f(...), where products calculate in that dtype. With the
-- name of a device in front, torch.autocast('cuda', f), the dtype is by default float16 for a GPU.
function torch.autocast(dtype, ...)
  if type(dtype) == 'function' then return torch.autocast('bfloat16', dtype, ...) end
  if type(dtype) == 'string' and (dtype:match('^cuda') or dtype == 'cpu') then
    if type((...)) ~= 'function' then return torch.autocast(...) end
    return torch.autocast(dtype == 'cpu' and 'bfloat16' or 'float16', ...)
  end
  check_function('autocast', (...))
  return restored(core.set_autocast, core.set_autocast(dtype), pcall(...))
end

-- What torch.cuda has besides C's functions is loaded when something of it is first asked for.
local function open_cuda(cuda, name)
  setmetatable(cuda, nil)
  if cuda.open then require('torch.cuda') end -- not in a sandbox, or in the embedded build
  return rawget(cuda, name)
end
-- What can be completed at a prompt besides what is there.
local function cuda_names(cuda)
  local before, names = {}, {}
  for name in pairs(cuda) do before[name] = true end
  open_cuda(cuda)
  for name in pairs(cuda) do
    if not before[name] then names[#names + 1] = name end
  end
  return names
end
setmetatable(core.cuda, {__index = open_cuda, __names = cuda_names})

-- ---------------------------------------------------------------------------------------------
-- Tensor types: `torch.FloatTensor` is a callable table, through which methods can be added.

local function is_tensor_type(name)
  return name:find('Tensor$') ~= nil
end

local function print_tensor(tensor)
  return require('torch.pretty').tensor(tensor)
end

local function print_storage(storage)
  return require('torch.pretty').storage(storage)
end

-- `x.new(...)` makes what the constructor makes, `x:new(2, 3)` something of x's type, and `x:new()`
-- is a view of x.
local function new_of(name, like, make)
  return function(first, ...)
    if select('#', ...) > 0 and class.typename(first) == name then return like(first, ...) end
    return make(first, ...)
  end
end

local function register_type(name, mt, make, like)
  torch[name:match('^torch%.(.+)$')] = class.register_native(name, mt, make)
  if like and is_tensor_type(name) then mt.new = new_of(name, like, make) end
  -- Looked up anew each time, so that a program may print its tensors in its own way.
  mt.__tostring = function(object) return mt.__tostring__(object) end
end

local new_like = rawget(core.metatables['torch.FloatTensor'], 'new')
for name, mt in pairs(core.metatables) do
  mt.__tostring__ = is_tensor_type(name) and print_tensor or print_storage
  register_type(name, mt, core[name:match('^torch%.(.+)$')], new_like)
end

-- The types of a GPU, torch.CudaTensor and its relatives, are made when one is first needed: copies
-- of the CPU's, from which they differ in this.
if core.device_types then
  core.device_types(function(metatables, constructors)
    for name, mt in pairs(metatables) do
      mt.__constructor, mt.__factory, mt.new = nil, nil, nil
      core.metatables[name], core[name:match('^torch%.(.+)$')] = mt, constructors[name]
      register_type(name, mt, constructors[name], new_like)
    end
  end)
end
local function is_device_type(name)
  return type(name) == 'string' and core.device_types ~= nil
    and (name:find('^Cuda%w*Tensor$') or name:find('^Cuda%w*Storage$'))
end

-- torch.Generator() makes a source of random numbers; files keep its state.
do
  local mt = core.generator_metatable
  torch.Generator = class.register_native('torch.Generator', mt, core.Generator)
  mt.__factory = function() return core.Generator() end
  mt.__tostring = function() return 'torch.Generator' end
  function mt.write(generator, file) file:writeObject(generator:getRNGState()) end
  function mt.read(generator, file) generator:setRNGState(file:readObject()) end
end

--- torch.register_member(name, value [, dtypes]): tensors have the member `name`, those of a GPU
-- too; those of {float32 = true, ...} alone, if a table is given.
function torch.register_member(name, value, dtypes)
  if type(name) ~= 'string' or (dtypes ~= nil and type(dtypes) ~= 'table') then
    error(('torch.register_member: expected (string, anything [, table]), got (%s, %s, %s)')
      :format(type(name), type(value), type(dtypes)), 2)
  end
  for type_name, mt in pairs(core.metatables) do
    if is_tensor_type(type_name) and (not dtypes or dtypes[core.dtype_name(type_name)]) then
      mt[name] = value
    end
  end
end

-- x:data(), x:cdata(): see torch.ffi.
for _, name in ipairs {'data', 'cdata'} do
  torch[name] = function(...) return require('torch.ffi')[name](...) end
  for _, mt in pairs(core.metatables) do mt[name] = torch[name] end
end
local function write_native(x, file) require('torch.t7_writer').write_native(x, file) end
local function read_native(x, file) require('torch.t7_reader').read_native(x, file) end
for _, mt in pairs(core.metatables) do mt.write, mt.read = write_native, read_native end

-- `torch.Tensor` and `torch.Storage` stand for the default type.
local function follow_default()
  local name = core.getdefaulttensortype():match('^torch%.(.+)$')
  torch.Tensor = torch[name]
  torch.Storage = torch[name:gsub('Tensor$', 'Storage')]
end

--- torch.setdefaulttensortype('torch.DoubleTensor')
function torch.setdefaulttensortype(name)
  core.setdefaulttensortype(name)
  follow_default()
end
follow_default()

local function is_native(object, ending)
  local name = class.typename(object)
  return type(object) == 'userdata' and name ~= nil and name:find(ending) ~= nil
end

function torch.isTensor(object)
  return is_native(object, 'Tensor$')
end

function torch.isStorage(object)
  return is_native(object, 'Storage$')
end
torch.is_storage = torch.isStorage

-- Torch7's x:cuda() gives a CudaTensor, of float32, whatever x is.
local function cuda_of_floats(mt)
  local cuda = mt.cuda
  function mt.cuda(x, i)
    x = cuda(x, i)
    return x.dtype == 'float32' and x or x:to('float32')
  end
end

--- The defaults of Torch7, for old programs: float64, gradients inside of modules only, x:cuda() of
-- float32, and the globals of Torch7's Lua.
function torch.th_defaults()
  if not require('torch.th').installed then
    for name, mt in pairs(core.metatables) do
      if is_tensor_type(name) then cuda_of_floats(mt) end
    end
  end
  require('torch.th').install(_G)
  torch.setdefaulttensortype('torch.DoubleTensor')
  torch.set_grad_enabled(false)
end

-- ---------------------------------------------------------------------------------------------
-- Time.

--- Seconds of a clock that only goes forward.
function torch.tic()
  return (core.clock())
end

--- Seconds since `torch.tic()` returned `start`.
function torch.toc(start)
  if type(start) ~= 'number' then
    error(('torch.toc: expected what torch.tic returned, got %s'):format(type(start)), 2)
  end
  return core.clock() - start
end

-- ---------------------------------------------------------------------------------------------
-- Parts that most programs do not need are loaded when they are first used.

--- torch.help(torch.add), torch.help('add'), torch.help(nn.Linear): how it is called, what it does.
function torch.help(subject)
  return require('torch.help').print(subject)
end

-- Functions of modules that are loaded when one of them is first called. Names after the '|' are
-- methods of tensors too, with the tensor as their first argument.
local written_in_lua = {
  ['torch.serialize'] = 'save load saveobj loadobj serialize deserialize serializeToStorage ' ..
    'deserializeFromStorage |',
  ['torch.einsum'] = 'einsum tensordot multi_dot chain_matmul |',
  ['torch.linalg'] = '| cond matrix_norm vector_norm',
  ['torch.selftest'] = 'test |',
  ['torch.system'] = 'include packageLuaPath getenv setenv setheaptracking updatethreadlocals ' ..
    'updateerrorhandlers |',
  ['torch.spectral'] = 'complex real imag conj complex_mul complex_div complex_abs ' ..
    'complex_angle polar hann_window hamming_window blackman_window bartlett_window ' ..
    'kaiser_window stft istft |',
  ['torch.vision'] = 'affine_grid grid_sample fake_quantize fake_quantize_per_channel |',
  ['torch.shapes'] = 'index_put movedim moveaxis unbind tensor_split hsplit vsplit dsplit ' ..
    'atleast_1d atleast_2d atleast_3d broadcast_shapes broadcast_tensors meshgrid ' ..
    'cartesian_prod combinations block_diag tril_indices triu_indices promote_types ' ..
    'result_type can_cast finfo iinfo | movedim moveaxis unbind tensor_split hsplit vsplit ' ..
    'dsplit combinations',
  ['torch.apply'] = '| apply map map2',
  ['torch.sampling'] = 'multinomialAliasSetup multinomialAlias |',
  ['torch.ffi'] = 'from_pointer from_ffi pushudata |',
}

-- What stands behind such a function, for torch.help: function -> {module, name}.
local deferred_from = setmetatable({}, {__mode = 'k'})

local function deferred(module, name)
  local function call(...) return require(module)[name](...) end
  deferred_from[call] = {module, name}
  return call
end

-- torch.where(condition, x, y) is an operation, torch.where(condition) a list of index tensors.
local where = core.where
function torch.where(condition, x, ...)
  if x ~= nil then return where(condition, x, ...) end
  return require('torch.shapes').where(condition, x, ...)
end

for module, names in pairs(written_in_lua) do
  local functions, methods = names:match('^(.-)|(.*)$')
  for name in functions:gmatch('%S+') do torch[name] = deferred(module, name) end
  for name in methods:gmatch('%S+') do
    torch[name] = deferred(module, name)
    torch.register_member(name, torch[name])
  end
end

-- The rest; `lazy` in the metatable tells a prompt which names there are.
local lazy = {
  CmdLine = 'torch.CmdLine',
  DiskFile = 'torch.File',
  fft = 'torch.fft',
  File = 'torch.File',
  gradcheck = 'torch.gradcheck',
  GradScaler = 'torch.GradScaler',
  linalg = 'torch.linalg',
  MemoryFile = 'torch.File',
  ops = 'torch.ops',
  PipeFile = 'torch.File',
  Tester = 'torch.Tester',
  TestSuite = 'torch.TestSuite',
  Timer = 'torch.Timer',
}

return setmetatable(torch, {
  lazy = lazy,
  deferred = deferred_from,
  __index = function(tbl, name)
    if is_device_type(name) then
      core.device_types()
      return rawget(tbl, name)
    end
    local module = lazy[name]
    if not module then return nil end
    local value = require(module)
    if module == 'torch.File' then value = value[name] end
    rawset(tbl, name, value)
    return value
  end,
})
