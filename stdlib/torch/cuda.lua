--- torch.cuda: what is written in Lua around the functions of the core. Devices are numbered from
-- 1, or named: 'cuda:0'; nothing stands for the current one.
local torch = require 'torch'
local core = require 'torch.core'

local cuda = core.cuda
setmetatable(cuda, nil)
if not cuda.open then return cuda end -- in a sandbox, or in the embedded build
cuda.open(cuda)
cuda.open = nil
local unpack = table.unpack or unpack -- luacheck: ignore

local function check_function(name, f)
  if type(f) ~= 'function' then
    error(name .. ': a function expected, got ' .. type(f), 3)
  end
end

-- What was is restored, also after an error, which goes on as it is.
local function restored(restore, was, ok, ...)
  restore(was)
  if not ok then error((...), 0) end
  return ...
end

-- ---------------------------------------------------------------------------------------------
-- Devices and numbers.

--- torch.cuda.with_device(device, f, ...): calls f(...), where 'cuda' means that device.
function cuda.with_device(device, f, ...)
  check_function('with_device', f)
  local was = cuda.current_device()
  cuda.set_device(device)
  return restored(cuda.set_device, was, pcall(f, ...))
end

--- torch.cuda.manual_seed(seed): the numbers of all devices come from one generator.
function cuda.manual_seed(seed) torch.manualSeed(seed) end
cuda.manual_seed_all = cuda.manual_seed

-- ---------------------------------------------------------------------------------------------
-- Streams.

local stream_methods = cuda.stream_methods
cuda.stream_methods = nil

--- stream:record_event([event]) → an event that has been reached when the stream's work so far is
-- done
function stream_methods.record_event(stream, event)
  event = event or cuda.Event({enable_timing = false}, stream:device())
  return event:record(stream)
end

--- stream:wait_stream(other): what is asked of the stream from now on waits for the other's work.
function stream_methods.wait_stream(stream, other)
  stream:wait_event(other:record_event())
end

function stream_methods.__tostring(stream)
  return ('torch.cuda.Stream on cuda:%d'):format(stream:device() - 1)
end

--- torch.cuda.stream(stream, f, ...): calls f(...), whose work goes on that stream.
function cuda.stream(stream, f, ...)
  check_function('stream', f)
  if type(stream) ~= 'userdata' then
    error('stream: a torch.cuda.Stream expected, got ' .. type(stream), 2)
  end
  local was = cuda.current_stream(stream_methods.device(stream))
  cuda.set_stream(stream)
  return restored(cuda.set_stream, was, pcall(f, ...))
end

-- ---------------------------------------------------------------------------------------------
-- Memory.

local function in_words(bytes)
  local units = {'B', 'KiB', 'MiB', 'GiB', 'TiB'}
  local k = 1
  while bytes >= 1024 and k < #units do bytes, k = bytes / 1024, k + 1 end
  return (k == 1 and '%d %s' or '%.1f %s'):format(bytes, units[k])
end

--- torch.cuda.memory_summary([device]) → a text
function cuda.memory_summary(device)
  local s = cuda.memory_stats(device)
  local free, all = cuda.mem_get_info(device)
  local allocated, reserved = s['allocated_bytes.all.current'], s['reserved_bytes.all.current']
  local lines = {}
  local function line(what, now, most)
    lines[#lines + 1] = ('%-22s %12s%s'):format(what, now, most and '   at most ' .. most or '')
  end
  line('in use by tensors', in_words(allocated), in_words(s['allocated_bytes.all.peak']))
  line('taken from the device', in_words(reserved), in_words(s['reserved_bytes.all.peak']))
  line('of it cached', in_words(reserved - allocated))
  line('free on the device', ('%s of %s'):format(in_words(free), in_words(all)))
  line('blocks in use', ('%d'):format(s['allocation.all.current']))
  line('blocks handed out', ('%d, and the device asked for %d segments'):format(
    s['allocation.all.allocated'], s['segment.all.allocated']))
  line('out of memory', ('%d times, and %d times until the cache was given back'):format(
    s['num_ooms'], s['num_alloc_retries']))
  return table.concat(lines, '\n')
end

-- ---------------------------------------------------------------------------------------------
-- Graphs.

local Graph = {}
Graph.__index = Graph
Graph.__typename = 'torch.cuda.Graph'
function Graph.__tostring() return 'torch.cuda.Graph' end

-- What is to happen at each replay of the graph that is being captured.
local noted

--- torch.cuda.on_replay(f): while a graph is captured; f(n) is called after each of its replays,
-- the first of which has the number 1. For counters of the host: they have been counted once when
-- the graph was captured.
function cuda.on_replay(f)
  check_function('on_replay', f)
  if not noted then error('on_replay: no graph is captured', 2) end
  noted[#noted + 1] = f
end

--- graph:replay(), graph(): does again what was captured, with what the tensors hold now; gives
-- what the function gave: the same tensors, with new values.
function Graph:replay()
  self.handle:replay()
  local n, noted_here = self.count + 1, self.on_replay
  self.count = n
  for i = 1, #noted_here do noted_here[i](n) end
  return unpack(self.results, 1, self.results.n)
end
Graph.__call = Graph.replay

local function pack(...) return {n = select('#', ...), ...} end

--- torch.cuda.graph([options,] f, ...): notes what f(...) asks of the current GPU, without doing
-- it, as a graph, whose replays cost the host next to nothing. options: warmup = 0, how often f is
-- called before, for what happens the first time only.
-- What f does on the host happens once: f may not look at values of the GPU, and numbers that it
-- computes, such as a learning rate, stay as they are.
function cuda.graph(options, ...)
  if type(options) == 'function' then return cuda.graph({}, options, ...) end
  local f = ...
  if type(options) ~= 'table' then check_function('graph', options) end
  check_function('graph', f)
  for _ = 1, options.warmup or 0 do f(select(2, ...)) end
  local handle = cuda.graph_begin()
  local to_call = {}
  noted = to_call
  local results = pack(pcall(...))
  noted = nil
  if not results[1] then
    handle:abandon()
    error(results[2], 0)
  end
  local ok, message = pcall(handle.finish, handle)
  if not ok then error(message, 2) end
  results = pack(unpack(results, 2, results.n))
  return setmetatable({handle = handle, results = results, on_replay = to_call, count = 0}, Graph)
end

return cuda
