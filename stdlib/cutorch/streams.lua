--- cutorch's streams by number: 0 is the one that everything runs in unless told otherwise, and the
-- others are made by reserveStreams. Where torch.cuda has none, all numbers stand for that one,
-- which does everything in the order in which it was asked for.
local torch = require 'torch'
local cuda = torch.cuda

local module = {}

-- By the number of the device: what is reserved there, and which stream is current.
local devices = {}

local function of_device(i)
  devices[i] = devices[i] or {count = 0, current = 0, made = {}}
  return devices[i]
end

local function has_streams() return cuda.Stream ~= nil and cuda.set_stream ~= nil end

local function default_of(device)
  return cuda.default_stream and cuda.default_stream(device) or nil
end

-- Stream k of device i; nil where there are none.
local function stream(i, k)
  if not has_streams() then return nil end
  local device = ('cuda:%d'):format(i - 1)
  if k == 0 then return default_of(device) end
  local made = of_device(i).made
  made[k] = made[k] or cuda.Stream(device)
  return made[k]
end

local function check(name, i, k)
  local count = of_device(i).count
  if type(k) ~= 'number' or k % 1 ~= 0 or k < 0 or k > count then
    error(('cutorch.%s: a stream from 0 to %d expected, got %s: reserveStreams makes more')
      :format(name, count, tostring(k)), 3)
  end
  return stream(i, k)
end

local function wait_for(waiting, others)
  for _, other in ipairs(others) do
    if waiting and other and not rawequal(waiting, other) then waiting:wait_stream(other) end
  end
end

-- {device = {streams}}, or the same of the current device.
local function listed(name, lists)
  local out = {}
  for i, list in pairs(lists) do
    for _, k in ipairs(list) do out[#out + 1] = check(name, i, k) or false end
  end
  return out
end

local function add_waits(cutorch)
  --- streamWaitFor(k, {others}): what comes in stream k waits for what is in the others.
  function cutorch.streamWaitFor(k, others)
    local i = cutorch.getDevice()
    wait_for(check('streamWaitFor', i, k), listed('streamWaitFor', {[i] = others}))
  end

  --- streamWaitForMultiDevice(device, k, {[device] = {streams}})
  function cutorch.streamWaitForMultiDevice(i, k, lists)
    wait_for(check('streamWaitForMultiDevice', i, k), listed('streamWaitForMultiDevice', lists))
  end

  --- streamBarrier({streams}): each waits for all.
  function cutorch.streamBarrier(list)
    local all = listed('streamBarrier', {[cutorch.getDevice()] = list})
    for _, waiting in ipairs(all) do wait_for(waiting, all) end
  end
  function cutorch.streamBarrierMultiDevice(lists)
    local all = listed('streamBarrierMultiDevice', lists)
    for _, waiting in ipairs(all) do wait_for(waiting, all) end
  end

  --- Waits until stream k is done.
  function cutorch.streamSynchronize(k)
    local waited = check('streamSynchronize', cutorch.getDevice(), k)
    if waited then waited:synchronize() else cutorch.synchronize() end
  end
end

-- A place in the current stream that others can wait for.
local function add_events(cutorch)
  local Event = {}
  Event.__index = Event
  function Event:waitOn()
    if self.event and cuda.current_stream then cuda.current_stream():wait_event(self.event) end
  end
  function Event:synchronize()
    if self.event then self.event:synchronize() else cutorch.synchronize() end
  end
  function cutorch.Event()
    local event = cuda.Event and cuda.Event() or nil
    if event then event:record() end
    return setmetatable({event = event}, Event)
  end
end

-- The libraries' handles need no care here: there are as many as are asked for.
local function add_handles(cutorch)
  local handles, current = 1, 1
  function cutorch.reserveBlasHandles(n) handles = math.max(handles, n or 1) end
  function cutorch.getNumBlasHandles() return handles end
  function cutorch.getBlasHandle() return current end
  function cutorch.setBlasHandle(k)
    if type(k) ~= 'number' or k < 1 or k > handles then
      error(('cutorch.setBlasHandle: 1 to %d expected, got %s'):format(handles, tostring(k)), 2)
    end
    current = k
  end
end

--- Adds the functions to the table cutorch.
function module.add(cutorch)
  --- reserveStreams(n): streams 1 to n are there on each device.
  function cutorch.reserveStreams(n)
    if type(n) ~= 'number' or n < 0 or n % 1 ~= 0 then
      error('cutorch.reserveStreams: how many streams expected, got ' .. tostring(n), 2)
    end
    for i = 1, cutorch.getDeviceCount() do
      local device = of_device(i)
      device.count = math.max(device.count, n)
    end
  end
  function cutorch.getNumStreams() return of_device(cutorch.getDevice()).count end

  --- From now on work goes into stream k, on every device.
  function cutorch.setStream(k)
    local i = cutorch.getDevice()
    local chosen = check('setStream', i, k)
    of_device(i).current = k
    if chosen then cuda.set_stream(chosen) end
  end
  function cutorch.getStream() return of_device(cutorch.getDevice()).current end
  function cutorch.setDefaultStream() cutorch.setStream(0) end
  add_waits(cutorch)
  add_events(cutorch)
  add_handles(cutorch)
end

return module
