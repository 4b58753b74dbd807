--- Torch7's package cutorch: the GPUs by number, from 1, with their memory, seeds and streams. All
-- of it goes through torch.cuda. Where no GPU can be used, requiring it is an error that says why:
-- old programs ask pcall(require, 'cutorch') and go on without.
local torch = require 'torch'
local streams = require 'cutorch.streams'
local cuda = torch.cuda

local count, why = cuda.device_count()
if count == 0 then
  error('cutorch: no GPU can be used here: ' .. tostring(why), 0)
end

local cutorch = {hasHalf = true}

local function check_device(name, i)
  if type(i) ~= 'number' or i % 1 ~= 0 or i < 1 or i > count then
    error(('cutorch.%s: the number of a GPU, 1 to %d, expected, got %s'):format(name, count,
      tostring(i)), 3)
  end
  return ('cuda:%d'):format(i - 1)
end

-- What torch.cuda has not got is an error that says so.
local function need(name, what)
  local f = cuda[what]
  if not f then error(('cutorch.%s: this build has no torch.cuda.%s'):format(name, what), 3) end
  return f
end

-- ---------------------------------------------------------------------------------------------
-- Devices.

function cutorch.getDeviceCount() return count end

--- The number of the current GPU, where new tensors go.
function cutorch.getDevice()
  return torch.empty(0, {device = 'cuda'}):getDevice()
end

function cutorch.setDevice(i)
  local device = check_device('setDevice', i)
  if i ~= cutorch.getDevice() then need('setDevice', 'set_device')(device) end
end

local function restored(was, ok, ...)
  cutorch.setDevice(was)
  if not ok then error((...), 0) end
  return ...
end

--- cutorch.withDevice(i, f): f() with that GPU as the current one.
function cutorch.withDevice(i, f, ...)
  check_device('withDevice', i)
  if type(f) ~= 'function' then
    error('cutorch.withDevice: a function expected, got ' .. type(f), 2)
  end
  local was = cutorch.getDevice()
  cutorch.setDevice(i)
  return restored(was, pcall(f, ...))
end

function cutorch.synchronize()
  cuda.synchronize(('cuda:%d'):format(cutorch.getDevice() - 1))
end

function cutorch.synchronizeAll()
  for i = 1, count do cuda.synchronize(('cuda:%d'):format(i - 1)) end
end

--- Waits, and gives memory back that nothing uses.
function cutorch.deviceReset()
  cutorch.synchronize()
  collectgarbage()
  if cuda.empty_cache then cuda.empty_cache() end
end

--- cutorch.getMemoryUsage([i]) -> free, total, in bytes.
function cutorch.getMemoryUsage(i)
  local device = check_device('getMemoryUsage', i or cutorch.getDevice())
  return need('getMemoryUsage', 'mem_get_info')(device)
end

-- Torch7's names of a device's properties, and torch.cuda's.
local PROPERTIES = {name = 'name', totalGlobalMem = 'total_memory', major = 'major',
  minor = 'minor', multiProcessorCount = 'multi_processor_count', warpSize = 'warp_size',
  maxThreadsPerMultiProcessor = 'max_threads_per_multi_processor',
  sharedMemPerBlock = 'shared_memory_per_block', l2CacheSize = 'L2_cache_size'}

--- A table with name, totalGlobalMem, freeGlobalMem, major, minor, multiProcessorCount, ...
function cutorch.getDeviceProperties(i)
  local device = check_device('getDeviceProperties', i)
  local found = need('getDeviceProperties', 'get_device_properties')(device)
  local out = {canMapHostMemory = 1, warpSize = 32, maxThreadsPerBlock = 1024}
  for theirs, ours in pairs(PROPERTIES) do
    if found[ours] ~= nil then out[theirs] = found[ours] end
  end
  if cuda.mem_get_info then out.freeGlobalMem = (cuda.mem_get_info(device)) end
  return out
end

-- Copies between GPUs need no switch, and kernels read their own GPU's memory only.
local function peers(name, i, j)
  check_device(name, i)
  check_device(name, j)
  return i == j or cuda.can_device_access_peer ~= nil
    and cuda.can_device_access_peer(check_device(name, i), check_device(name, j))
end
function cutorch.getPeerToPeerAccess(i, j) return peers('getPeerToPeerAccess', i, j) end
function cutorch.setPeerToPeerAccess(i, j) peers('setPeerToPeerAccess', i, j) end
function cutorch.getKernelPeerToPeerAccess() return false end
function cutorch.setKernelPeerToPeerAccess() end

function cutorch.hasHalfInstructions() return true end
function cutorch.hasFastHalfInstructions() return true end
function cutorch.isCachingAllocatorEnabled() return true end
function cutorch.setHeapTracking() end

local function version(name)
  return function()
    local f = cuda[name]
    return f and f() or 13000
  end
end
cutorch.getRuntimeVersion, cutorch.getDriverVersion = version 'runtime_version',
  version 'driver_version'

function cutorch.getState()
  error('cutorch.getState: the C library THC, which would read it, is not here', 2)
end

--- Nothing waits: kernels are launched as they come.
function cutorch._sleep() end

-- ---------------------------------------------------------------------------------------------
-- Random numbers: one seed gives the same ones on the CPU and on each GPU.

function cutorch.manualSeed(seed)
  local f = cuda.manual_seed or torch.manualSeed
  f(seed)
end
function cutorch.manualSeedAll(seed)
  local f = cuda.manual_seed_all or cuda.manual_seed or torch.manualSeed
  f(seed)
end

--- A seed by chance, which it returns.
function cutorch.seed()
  local seed = torch.seed()
  cutorch.manualSeed(seed)
  return seed
end
function cutorch.seedAll()
  local seed = torch.seed()
  cutorch.manualSeedAll(seed)
  return seed
end

function cutorch.initialSeed()
  return (cuda.initial_seed or torch.initialSeed)()
end
function cutorch.getRNGState()
  return (cuda.get_rng_state or torch.getRNGState)()
end
function cutorch.setRNGState(state)
  local f = cuda.set_rng_state or torch.setRNGState
  f(state)
end

-- ---------------------------------------------------------------------------------------------
-- Memory of the host that a GPU copies from and to without waiting.

local function host_tensor(kind)
  return function(...)
    local x = torch[kind .. 'Tensor'](...)
    return x.pin_memory and x:pin_memory() or x
  end
end
for _, kind in ipairs {'Float', 'Double', 'Int', 'Long', 'Byte', 'Half', 'Char', 'Short'} do
  cutorch[('createCudaHost%sTensor'):format(kind)] = host_tensor(kind)
end
cutorch.createCudaHostTensor = cutorch.createCudaHostFloatTensor

function cutorch.isManaged() return false end
function cutorch.isManagedPtr() return false end
for _, name in ipairs {'createCudaUVATensor', 'toFloatUVATensor', 'toCudaUVATensor'} do
  cutorch[name] = function()
    error(('cutorch.%s: memory that host and GPU share is not supported: use :cuda() and :float()')
      :format(name), 2)
  end
end

--- cutorch.test([names]): an error when the GPU calculates something else than the CPU.
function cutorch.test()
  require('cutorch.selftest')(cutorch)
end

streams.add(cutorch, check_device)

return cutorch
