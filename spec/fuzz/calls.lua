--- Calls everything with everything, for a given time, and tells what should not have happened:
--
--   MOONLET_FUZZ_SEED=7 MOONLET_FUZZ_SECONDS=20 build/moonlet spec/fuzz/calls.lua [words ...]
--   build/moonlet spec/fuzz/calls.lua -e "torch.add(t('int8',{0,3},'holes'), nan)"
--
-- Words limit the functions to those whose names contain one. A call is a line of text, made first
-- and then run; it is written to the file MOONLET_FUZZ_LOG beforehand, and stands there after a
-- crash. Each call has to give a Lua error (which names the operation) or an answer; its inputs
-- stay as they are, its results can be read, it takes little time, and leaves no memory behind.
local searchers = package.searchers or package.loaders
searchers[#searchers + 1] = function(name)
  if name:sub(1, 5) ~= 'spec.' then return nil end
  return loadfile((name:gsub('%.', '/')) .. '.lua')
end
local unpack = table.unpack or unpack

local values = require 'spec.fuzz.values'
local checks = require 'spec.fuzz.checks'
local draw, pick, env = values.draw, values.pick, values.env

local MEMORY = 256 * 2 ^ 20 -- bytes that tensors may take
local BATCH = 100           -- calls between two looks at what is left in memory
local slow = os.getenv('MOONLET_FUZZ_SANITIZED') and 30 or 5 -- seconds that a call may take

-- ---------------------------------------------------------------------------------------------
-- What is called.

-- Not called: they change the process, write files, or wait for somebody.
local skipped = {
  set_memory_limit = 'the limit keeps this program alive',
  save = 'writes files', saveobj = 'writes files', fsync_rename = 'renames files',
  DiskFile = 'writes files', PipeFile = 'runs programs', CmdLine = 'leaves the process',
  setnumthreads = 'thousands of threads are allowed, and slow', setenv = 'changes functions',
  test = 'runs tests', include = 'runs files', setmetatable = 'changes its argument for good',
  newmetatable = 'replaces classes', metatype = 'replaces classes', pushudata = 'makes pointers',
  register_package = 'replaces packages', register_member = 'replaces methods',
  class = 'makes classes for good',
  th_defaults = 'changes what all calls do', help = 'prints pages',
  updateerrorhandlers = 'changes what all calls do', updatethreadlocals = 'changes all calls',
  from_pointer = 'trusts its argument', from_ffi = 'trusts its argument',
  retain = 'keeps memory until free is called', cdata = 'keeps it for some rounds of the collector',
}

local rows, others = {}, {}

local function words_of(row)
  local list = {op = row.op, row.name, row.op}
  for alias in (row.aliases or ''):gmatch('%S+') do list[#list + 1] = alias end
  for k = #list, 1, -1 do
    if not torch[list[k]] then table.remove(list, k) end
  end
  return list
end

local function collect_targets(wanted)
  local taken = {}
  local function keep(name)
    if #wanted == 0 then return true end
    for _, word in ipairs(wanted) do
      if name:find(word, 1, true) then return true end
    end
    return false
  end
  local samples = require 'spec.support.samples'
  for _, row in ipairs(torch.ops) do
    local names = words_of(row)
    for _, name in ipairs(names) do taken[name] = true end
    local kind = not row.floats and row.integers and 'whole' or nil
    if keep(row.op) or keep(row.name) then
      rows[#rows + 1] = {row = row, names = names, samples = samples.of(row, kind) or {}}
    end
  end
  local function add(path, name, kind)
    if not taken[name] and not skipped[name] and keep(name) then
      others[#others + 1] = {path = path, name = name, kind = kind}
    end
  end
  for name, value in pairs(torch) do
    if type(name) == 'string' and type(value) == 'function' then add('torch.' .. name, name) end
  end
  for name in pairs(getmetatable(torch).lazy or {}) do
    local value = torch[name]
    if type(value) == 'table' and (name == 'linalg' or name == 'fft') then
      for key in pairs(value) do add(('torch.%s.%s'):format(name, key), key) end
    else
      add('torch.' .. name, name)
    end
  end
  for _, name in ipairs {'MemoryFile', 'Generator', 'File'} do
    for key, value in pairs(torch.getmetatable('torch.' .. name) or {}) do
      if type(value) == 'function' and key:sub(1, 2) ~= '__' then
        add(("of('%s')"):format(key), key, 'object')
      end
    end
  end
  local core = require 'torch.core'
  for _, dtype in ipairs {'Float', 'Double', 'Half', 'Long', 'Int', 'Byte', 'Bool'} do
    for _, kind in ipairs {'Tensor', 'Storage'} do
      add('torch.' .. dtype .. kind, dtype .. kind)
    end
  end
  for kind, name in pairs {tensor = 'torch.FloatTensor', storage = 'torch.LongStorage'} do
    for method, value in pairs(core.metatables[name]) do
      if type(value) == 'function' and method ~= '__gc' and method ~= 'write' then
        add(("method('%s')"):format(method), method, kind)
      end
    end
  end
  local function by_path(a, b) return a.path .. (a.kind or '') < b.path .. (b.kind or '') end
  table.sort(others, by_path)
end

-- ---------------------------------------------------------------------------------------------
-- Texts of calls.

local function list_of(n, make)
  local list = {}
  for k = 1, n do list[k] = make() end
  return table.concat(list, ',')
end

-- {[1]={'int8','holes','nan','leaf'}, ...} for inputs of a sample.
local function dress(sample, strength)
  local list = {}
  for k = 1, #sample.inputs do
    if draw(strength) == 1 then
      local dtype = draw(3) == 1 and "'" .. pick(values.dtypes) .. "'" or 'nil'
      local layout = draw(2) == 1 and "'" .. pick(values.layouts) .. "'" or 'nil'
      local fill = draw(3) == 1 and "'" .. pick(values.fills) .. "'" or 'nil'
      local grad = draw(3) == 1 and "'" .. pick {'leaf', 'inner'} .. "'" or 'nil'
      list[#list + 1] = ('[%d]={%s,%s,%s,%s}'):format(k, dtype, layout, fill, grad)
    end
  end
  return #list > 0 and ',{' .. table.concat(list, ',') .. '}' or ''
end

local function given(target)
  local k = draw(#target.samples)
  return ("given('%s',%d%s)"):format(target.row.op, k, dress(target.samples[k], 3)), k
end

local function change(count)
  local k = draw(8)
  if k <= 4 then return ('at(%d,%s)'):format(draw(count), values.any()) end
  if k == 5 then return ('at(%d,%s)'):format(draw(count), values.number()) end
  if k == 6 then return ('drop(%d)'):format(draw(count)) end
  if k == 7 then return ('more(%s)'):format(values.any()) end
  return ('same(%d,%d)'):format(draw(count), draw(count))
end

local function names_table(row)
  local list = {}
  for name in row.args:gmatch('%a%?? ([%a_][%w_]*)') do
    if draw(3) == 1 then list[#list + 1] = name .. '=' .. values.any() end
  end
  if draw(9) == 1 then list[#list + 1] = 'nonsense=1' end
  return '{' .. table.concat(list, ',') .. '}'
end

local function results(target, k)
  local n = target.row.outputs or 1
  local list = {}
  for i = 1, math.max(1, n) do
    if draw(2) == 1 then
      list[i] = draw(8) == 1 and values.any() or values.tensor()
    else
      local sample = target.samples[k]
      local input = draw(math.max(1, #sample.inputs))
      list[i] = #sample.inputs > 0 and ("part(%d,%d)"):format(input, draw(4)) or values.tensor()
    end
  end
  return 'into(' .. table.concat(list, ',') .. ')'
end

local function row_call(target)
  local name = pick(target.names)
  local f = draw(2) == 1 and 'torch.' .. name or ("method('%s')"):format(name)
  local way = draw(20)
  if #target.samples == 0 or way <= 2 then
    return ('%s(%s)'):format(f, list_of(draw(7) - 1, values.any))
  end
  local args, k = given(target)
  local count = #target.samples[k].inputs + 2
  if way <= 4 then
    return ('alias(\'%s\',%d,%d,%d)'):format(target.row.op, k, draw(3), draw(4))
  elseif way <= 6 then
    return ('call(%s,%s,more(%s))'):format(f, args, names_table(target.row))
  elseif way <= 9 then
    return ('call(%s,%s,%s)'):format(f, args, results(target, k))
  elseif way <= 11 then
    return ('call(%s,%s)'):format(f, args)
  elseif way <= 13 then
    return ('kept(%s,%s,%s)'):format('torch.' .. name, args, change(count))
  elseif way <= 14 then
    return ('call(%s,%s,%s,%s)'):format(f, args, change(count), results(target, k))
  elseif way <= 16 then
    return ('call(%s,%s,%s,%s)'):format(f, args, change(count), change(count))
  end
  return ('call(%s,%s,%s)'):format(f, args, change(count))
end

local objects = {"torch.MemoryFile(torch.CharStorage('1 2\\n3 abc'))", 'torch.Generator()',
  "torch.MemoryFile('w')", "torch.MemoryFile(torch.CharStorage('\\4\\0\\0\\0'),'r'):binary()",
  "torch.MemoryFile():quiet()"}

local function other_call(target)
  local first = target.kind == 'tensor' and draw(12) > 1 and values.tensor()
    or target.kind == 'storage' and draw(12) > 1 and values.storage()
    or target.kind == 'object' and pick(objects) or nil
  local rest = list_of(draw(5) - 1, values.any)
  if first and rest ~= '' then rest = first .. ',' .. rest end
  return ('%s(%s)'):format(target.path, first and rest == '' and first or rest)
end

-- Indexing, and tensors whose memory changes under them.
local function special_call()
  local k = draw(9)
  local x = values.tensor()
  if k <= 2 then return ('index(%s,%s)'):format(x, values.any()) end
  if k <= 4 then return ('newindex(%s,%s,%s)'):format(x, values.any(), values.any()) end
  if k == 5 then
    return ("operate('%s',%s,%s)"):format(pick {'+', '-', '*', '/', '%', '^', 'neg', '#', '..',
      '==', '<', 'tostring'}, x, values.any())
  end
  if k == 6 then
    return ("shrunk(%s,%d,method('%s'),%s)"):format(x, draw(9) - 1,
      pick {'sum', 'clone', 'totable', 'fill', 'sort', 'view', 'resize', 'cumsum', 'add', 'set'},
      values.any())
  end
  local action = pick {'resize(0)', 'resize(100)', 'set()', 'storage():resize(1)',
    'storage():resize(1000)', 'resizeAs(torch.zeros(3,4))', 'requiresGrad(true)', 'apply(print)'}
  return ("meddled('%s',%s,'%s')"):format(pick {'apply', 'map', 'map2'}, x, action)
end

local function text_of_call()
  local k = draw(20)
  if k == 1 or #rows == 0 and #others == 0 then return special_call() end
  if #rows > 0 and (k <= 15 or #others == 0) then
    local target = pick(rows)
    return row_call(target), target.names
  end
  local target = pick(others)
  return other_call(target)
end

-- ---------------------------------------------------------------------------------------------
-- Running them.

local SLOT, SLOTS = 4096, 8
local log = os.getenv('MOONLET_FUZZ_LOG')
local log_file = log and assert(io.open(log, 'w'))

local count = 0
local function remember(text)
  count = count + 1
  if not log_file then return end
  local line = ('%d %s'):format(count, text):sub(1, SLOT - 1)
  log_file:seek('set', (count % SLOTS) * SLOT)
  log_file:write(line, (' '):rep(SLOT - 1 - #line), '\n')
  log_file:flush()
end

local stdout, failures, seen = io.stdout, 0, {}
local function report(what, text, detail)
  local key = what .. (detail or ''):gsub('%d+', '#'):sub(1, 40) .. (text:match("'(%w+)'") or '')
  failures = failures + 1
  if seen[key] then return end
  seen[key] = true
  stdout:write(what, ': ', text:sub(1, 4000), '\n')
  if detail then stdout:write('  ', tostring(detail):sub(1, 600), '\n') end
  stdout:flush()
end

local clock = require('torch.core').clock

local function restore()
  torch.setdefaulttensortype('torch.FloatTensor')
  torch.set_grad_enabled(true)
  checks.forget()
end

-- Does the message name the operation, one of its aliases, or another one that it is made of?
local function names_one(text, message, names)
  if text:find('function%(') or text:find('trap()', 1, true) or text:find('device=', 1, true)
      or message:find('bad argument #', 1, true) then
    return true -- of another function, which an argument is or calls
  end
  local word = message:match('^[^ ]*:%d+: ([%w_]+): ') or message:match('^([%w_]+): ')
  if word and torch[word] then return true end
  if message:find(names.op, 1, true) then return true end
  for _, name in ipairs(names) do
    if message:find(name, 1, true) then return true end
  end
  return false
end

local function run(text, names)
  remember(text)
  local chunk, message = checks.load('return ' .. text, env)
  if not chunk then return report('no Lua', text, message) end
  local started = clock()
  local outcome = {pcall(chunk)}
  local took = clock() - started
  if took > slow then report('slow', text, ('%.1f s'):format(took)) end
  local ok, result = outcome[1], outcome[2]
  if not ok then
    if type(result) == 'table' and result.wrong then
      report('wrong', text, result.wrong)
    elseif type(result) ~= 'string' then
      if not text:find('error({})', 1, true) then report('an error that is no text', text) end
    elseif result:find('internal', 1, true) then
      report('internal error', text, result)
    elseif result:find('C-call boundary', 1, true) then
      return restore()
    elseif names and not names_one(text, result, names) then
      report('an error that names no function', text, result)
    end
  else
    local fine, wrong = pcall(checks.read, unpack(outcome, 2, 4))
    if not fine then
      report('wrong result', text, type(wrong) == 'table' and wrong.wrong or tostring(wrong))
    end
  end
  restore()
  return nil
end

local function live()
  collectgarbage() -- what frees what frees what: three times
  collectgarbage()
  collectgarbage()
  return torch.memory().live
end

-- What is left after a batch of calls is a leak, unless it is left once only.
local function look_for_leaks(batch, base)
  if live() <= base then return base end
  for _, text in ipairs(batch) do
    local before = live()
    run(text)
    local middle = live()
    run(text)
    local after = live()
    if middle > before and after > middle then
      report('leak', text, ('%d bytes'):format(after - middle))
    end
  end
  return live()
end

local function fuzz(seconds)
  local base, batch = live(), {}
  local stop = clock() + seconds
  while clock() < stop do
    local text, names = text_of_call()
    if draw(4) == 1 then text = ('back(%s)'):format(text) end
    run(text, names)
    batch[#batch + 1] = text
    if #batch == BATCH then base, batch = look_for_leaks(batch, base), {} end
  end
end

-- What the functions print is of no interest.
io.output('/dev/null')
print = function() end -- luacheck: ignore
torch.set_memory_limit(MEMORY)
torch.manualSeed(1)
env.print = print

if arg[1] == '-e' then
  local chunk = assert(checks.load('return ' .. arg[2], env))
  local outcome = {pcall(chunk)}
  stdout:write(tostring(outcome[1]), ' ', tostring(outcome[2]), '\n')
  if type(outcome[2]) == 'table' and outcome[2].wrong then stdout:write(outcome[2].wrong, '\n') end
  if outcome[1] then checks.read(unpack(outcome, 2, 4)) end
  os.exit(outcome[1] and 0 or 1, true)
end

local seed = tonumber(os.getenv('MOONLET_FUZZ_SEED')) or os.time()
local seconds = tonumber(os.getenv('MOONLET_FUZZ_SECONDS')) or 5
stdout:write(('calls: seed %d, %g seconds\n'):format(seed, seconds))
stdout:flush()
values.seed(seed)
collect_targets {unpack(arg)}
fuzz(seconds)
stdout:write(('calls: %d made, %d findings\n'):format(count, failures))
os.exit(failures == 0 and 0 or 1, true)
