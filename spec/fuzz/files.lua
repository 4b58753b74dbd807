--- Reads broken files, for a given time, and tells what should not have happened:
--
--   MOONLET_FUZZ_SEED=7 MOONLET_FUZZ_SECONDS=20 build/moonlet spec/fuzz/files.lua
--   build/moonlet spec/fuzz/files.lua file [kind]      reads one again
--
-- Good .t7, idx and gzip files are cut off at each byte, then changed at random. Each reading has
-- to give an error or an object, soon and in little memory, and runs nothing that the file holds.
-- The kind and the bytes of what is read stand in the file MOONLET_FUZZ_LOG, also after a crash.
local searchers = package.searchers or package.loaders
searchers[#searchers + 1] = function(name)
  if name:sub(1, 5) ~= 'spec.' then return nil end
  return loadfile((name:gsub('%.', '/')) .. '.lua')
end

local values = require 'spec.fuzz.values'
local checks = require 'spec.fuzz.checks'
local core = require 'torch.core'
local draw, pick = values.draw, values.pick

local MEMORY = 64 * 2 ^ 20 -- bytes that tensors may take; those of the files take some KB
local LUA_MEMORY = 200 * 2 ^ 10 -- KB that Lua's heap may take
local MAX_BYTES = 2 ^ 22   -- of what a compressed file may become
local slow = os.getenv('MOONLET_FUZZ_SANITIZED') and 30 or 5 -- seconds a file may take

-- ---------------------------------------------------------------------------------------------
-- Good files.

-- Set by code in a file, if it were run.
moonlet_fuzz_ran = false -- luacheck: ignore
local CODE = 'moonlet_fuzz_ran = true'

-- A whole number as little-endian bytes.
local function packed(value, bytes)
  local list, low = {}, value % 2 ^ 32
  local high = (value - low) / 2 ^ 32 % 2 ^ 32
  for k = 1, bytes do
    local word, place = k <= 4 and low or high, (k - 1) % 4
    list[k] = string.char(math.floor(word / 256 ^ place) % 256)
  end
  return table.concat(list)
end

local function int4(n) return packed(n, 4) end
local function counted(text) return int4(#text) .. text end

-- A function as Torch7 writes it, after a table's beginning, so that it is the value of a field.
local function function_file()
  local code = string.dump(loadstring and loadstring(CODE) or load(CODE)) -- luacheck: ignore
  return int4(3) .. int4(1) .. int4(1) .. int4(2) .. counted('f') .. int4(8) .. int4(2)
    .. counted(code) .. int4(3) .. int4(3) .. int4(0)
end

local function objects()
  local list = {12.5, 'text', true, {1, 2, {x = 'y'}}, {}, 2 ^ 53}
  local shared = torch.range(1, 6):view(2, 3)
  list[#list + 1] = {shared, shared:t(), shared:select(1, 2), shared:storage(), shared}
  for _, dtype in ipairs(values.dtypes) do
    list[#list + 1] = torch.range(1, 4):to(dtype)
    list[#list + 1] = {torch.zeros(2, 0, 3):to(dtype), torch.tensor(3, {dtype = dtype})}
  end
  list[#list + 1] = torch.LongStorage {1, 2, 3}
  list[#list + 1] = torch.FloatTensor()
  list[#list + 1] = {weights = torch.randn(3, 3), name = 'model', epochs = 3, [1.5] = false}
  local cycle = {}
  cycle.self, cycle[1] = cycle, {cycle}
  list[#list + 1] = cycle
  list[#list + 1] = nn.Sequential():add(nn.Linear(3, 2)):add(nn.ReLU())
  list[#list + 1] = nn.MSECriterion()
  list[#list + 1] = torch.Timer and {1} or 1
  return list
end

local function t7_files()
  local list = {function_file()}
  for _, object in ipairs(objects()) do list[#list + 1] = torch.serialize(object) end
  return list
end

local function ascii_files()
  local list = {}
  for _, object in ipairs(objects()) do list[#list + 1] = torch.serialize(object, 'ascii') end
  return list
end

local idx_files = {'\0\0\8\1\0\0\0\3\1\2\3', '\0\0\8\2\0\0\0\2\0\0\0\3\1\2\3\4\5\6',
  '\0\0\13\1\0\0\0\2\63\192\0\0\192\0\0\0', '\0\0\14\3\0\0\0\1\0\0\0\1\0\0\0\1\63\248\0\0\0\0\0\0'}

local has_gzip, gzip = pcall(require, 'moonlet.gzip')

local function gzip_files()
  if not has_gzip then return {} end
  local list = {}
  for _, bytes in ipairs {'', 'text', ('x'):rep(5000), table.concat(idx_files)} do
    list[#list + 1] = gzip.gzip(bytes)
  end
  list[#list + 1] = list[2] .. list[3] .. '\0\0\0'
  for _, bytes in ipairs(idx_files) do list[#list + 1] = gzip.gzip(bytes) end
  return list
end

-- ---------------------------------------------------------------------------------------------
-- How they break.

local ints = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, 100, 65536, 1000000, 2 ^ 31 - 1, -2 ^ 31}
local longs = {0, 1, -1, 2, 9, 100, 2 ^ 31 - 1, -2 ^ 31, 2 ^ 31, 2 ^ 32, 2 ^ 40, 2 ^ 53, 2 ^ 61,
  2 ^ 62, -2 ^ 62, 2 ^ 63 - 1024, -2 ^ 63}

local function whole(bytes) return packed(pick(bytes == 4 and ints or longs), bytes) end

local classes = {'torch.FloatTensor', 'torch.LongStorage', 'torch.DiskFile', 'torch.PipeFile',
  'torch.MemoryFile', 'torch.Generator', 'torch.Timer', 'torch.CmdLine', 'torch.Tester',
  'nn.Linear', 'nn.Module', 'nn.Sequential', 'torch.BoolTensor', 'nn.Dropout', 'torch.File', ''}

local function put(bytes, at, piece)
  return bytes:sub(1, at - 1) .. piece .. bytes:sub(at + #piece)
end

local function change(bytes, others)
  local n = #bytes
  if n == 0 then return string.char(draw(256) - 1) end
  local way, at = draw(10), draw(n)
  if way <= 2 then return put(bytes, at, string.char(draw(256) - 1)) end
  if way == 3 then
    local bit, byte = 2 ^ (draw(8) - 1), bytes:byte(at)
    local flipped = byte % (2 * bit) >= bit and byte - bit or byte + bit
    return put(bytes, at, string.char(flipped))
  end
  if way <= 6 then return put(bytes, at, whole(4)) end
  if way == 7 then return put(bytes, at, whole(8)) end
  if way == 8 then -- a piece twice, or left out
    local last = math.min(n, at + draw(40))
    return draw(2) == 1 and bytes:sub(1, last) .. bytes:sub(at)
      or bytes:sub(1, at - 1) .. bytes:sub(last)
  end
  if way == 9 then return bytes:sub(1, at) .. pick(others):sub(draw(20)) end
  local first, last = bytes:find('[nt][no][.r][%w.]+', 1)
  if not first then return bytes:sub(1, at) end
  local name = pick(classes)
  return bytes:sub(1, math.max(0, first - 5)) .. counted(name) .. bytes:sub(last + 1)
end

local function broken(bytes, others)
  for _ = 1, draw(4) do bytes = change(bytes, others) end
  return bytes
end

-- ---------------------------------------------------------------------------------------------
-- Reading them.

local idx = require 'data.idx'
local path = os.tmpname()

local function write(name, bytes)
  local file = assert(io.open(name, 'wb'))
  file:write(bytes)
  file:close()
end

local readers = {}
function readers.t7(bytes) return torch.deserialize(bytes) end
function readers.ascii(bytes) return torch.deserialize(bytes, 'ascii') end
function readers.b32(bytes)
  write(path, bytes)
  return torch.load(path, 'b32')
end
function readers.load(bytes)
  write(path, bytes)
  return torch.load(path)
end
function readers.storage(bytes)
  return torch.deserializeFromStorage(torch.CharStorage(#bytes == 0 and 0 or bytes))
end
-- The file object itself, asked for one thing after the other.
function readers.memory(bytes)
  local file = torch.MemoryFile(torch.CharStorage(#bytes == 0 and 0 or bytes), 'r')
  if #bytes % 2 == 0 then file:ascii() else file:binary() end
  file:quiet()
  for _, kind in ipairs {'Int', 'Double', 'Long', 'Bool', 'Byte', 'Float', 'Short', 'Char'} do
    pcall(file['read' .. kind], file)
    if kind ~= 'Bool' then pcall(file['read' .. kind], file, pick(ints)) end
  end
  pcall(file.readString, file, '*l')
  pcall(file.seek, file, pick(longs))
  local ok, object = pcall(file.readObject, file)
  return ok and object or nil
end
function readers.idx(bytes) return idx.parse(bytes) end
function readers.idx_file(bytes)
  write(path, bytes)
  return data.idx(path)
end
function readers.gzip(bytes) return gzip.gunzip(bytes, MAX_BYTES) end
function readers.gzip_file(bytes)
  write(path, bytes)
  return gzip.gunzip_file(path, MAX_BYTES)
end

-- Looks at all that came out of a file; there is no function in it, however deep.
local function look(object, seen, count)
  local kind = type(object)
  if kind == 'function' then error({wrong = 'a function was loaded'}) end
  if kind == 'userdata' then checks.read(object) end
  if kind ~= 'table' or seen[object] or count > 1000 then return count end
  seen[object] = true
  for key, value in next, object do
    count = look(value, seen, look(key, seen, count + 1))
  end
  return count
end

local log = os.getenv('MOONLET_FUZZ_LOG')
local failures, count, stdout, seen_reports = 0, 0, io.stdout, {}
local clock = core.clock

local function hex(bytes)
  return (bytes:sub(1, 400):gsub('.', function(c) return ('\\%03d'):format(c:byte()) end))
end

local function report(what, kind, bytes, detail)
  failures = failures + 1
  local key = what .. kind .. tostring(detail):gsub('%d+', '#'):sub(1, 60)
  if seen_reports[key] then return end
  seen_reports[key] = true
  stdout:write(('%s (%s): %s\n  %s\n'):format(what, kind, tostring(detail):sub(1, 500), hex(bytes)))
  stdout:flush()
end

local function read(kind, bytes)
  count = count + 1
  if log then write(log, kind .. ' ' .. bytes) end
  local started = clock()
  local ok, result = pcall(readers[kind], bytes)
  local took = clock() - started
  if took > slow then report('slow', kind, bytes, ('%.1f s'):format(took)) end
  if moonlet_fuzz_ran then -- luacheck: ignore
    report('code was run', kind, bytes, '')
    moonlet_fuzz_ran = false -- luacheck: ignore
  end
  if not ok and type(result) ~= 'string' then
    report('an error that is no text', kind, bytes, result)
  elseif not ok and (result:find('attempt to ', 1, true)
      or result:find('bad argument', 1, true)) then
    report('an error of the reader itself', kind, bytes, result)
  elseif ok then
    local fine, wrong = pcall(look, result, {}, 0)
    if not fine then
      report('a wrong result', kind, bytes, type(wrong) == 'table' and wrong.wrong or wrong)
    end
  end
end

local function cut_off(kind, files, stop)
  for _, bytes in ipairs(files) do
    for n = 0, math.min(#bytes - 1, 2000) do
      if clock() > stop then return end
      read(kind, bytes:sub(1, n))
    end
    read(kind, bytes)
  end
end

local function live()
  collectgarbage()
  collectgarbage()
  return torch.memory().live
end

local function fuzz(seconds)
  local t7, ascii, zipped = t7_files(), ascii_files(), gzip_files()
  local families = {{t7, 't7', 'load', 'storage', 'ascii', 'b32', 'memory'},
    {ascii, 'ascii', 'memory'},
    {idx_files, 'idx', 'idx_file'}, {zipped, 'gzip', 'gzip_file', 'idx_file'}}
  if not has_gzip then families[4] = nil end
  local base = live()
  local stop = clock() + seconds
  cut_off('t7', t7, clock() + seconds / 4)
  cut_off('ascii', ascii, clock() + seconds / 4)
  cut_off('idx', idx_files, stop)
  cut_off('gzip', zipped, clock() + seconds / 4)
  while clock() < stop do
    local family = families[draw(5)] or families[1]
    local kind = draw(3) > 1 and family[2] or family[1 + draw(#family - 1)]
    read(kind, broken(pick(family[1]), family[1]))
    if count % 500 == 0 and collectgarbage('count') > LUA_MEMORY then
      collectgarbage()
      if collectgarbage('count') > LUA_MEMORY then report('much memory', kind, '', '') end
    end
  end
  if live() > base then report('leak', 'all', '', live() - base) end
end

torch.set_memory_limit(MEMORY)
if arg[1] then
  local file = assert(io.open(arg[1], 'rb'))
  local bytes = file:read('*a')
  file:close()
  local kind = arg[2] or bytes:match('^(%S+) ')
  if not arg[2] then bytes = bytes:sub(#kind + 2) end
  stdout:write(tostring(select(2, pcall(readers[kind], bytes))), '\n')
  read(kind, bytes)
  os.exit(failures == 0 and 0 or 1, true)
end

local seed = tonumber(os.getenv('MOONLET_FUZZ_SEED')) or os.time()
local seconds = tonumber(os.getenv('MOONLET_FUZZ_SECONDS')) or 5
stdout:write(('files: seed %d, %g seconds\n'):format(seed, seconds))
stdout:flush()
values.seed(seed)
torch.manualSeed(1)
fuzz(seconds)
os.remove(path)
stdout:write(('files: %d read, %d findings\n'):format(count, failures))
os.exit(failures == 0 and 0 or 1, true)
