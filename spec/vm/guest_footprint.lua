--- Run by a stock Lua: what a host can see of itself before it loads Moonlet, and after it has used
-- it. Arguments: the folder of moonlet.so, guest_work.lua, a file that may be written.
-- Prints every difference, then `ok`. What is to appear: package.loaded.moonlet, and on LuaJIT
-- package.loaded.ffi, which is the host's own library.
local folder, work_path, scratch = ...

-- Walks everything that can be reached from a table through string keys and metatables.
local function walk(value, name, seen, into)
  into[name] = tostring(value)
  if type(value) ~= 'table' or seen[value] then return end
  seen[value] = true
  for key, item in next, value do
    if name ~= '_G.package.loaded' or (key ~= 'moonlet' and key ~= 'ffi') then
      walk(item, name .. '.' .. tostring(key), seen, into)
    end
  end
  if getmetatable(value) then walk(getmetatable(value), name .. '<mt>', seen, into) end
end

local function status(field)
  for line in io.lines('/proc/self/status') do
    local text = line:match('^' .. field .. ':%s*(.*)$')
    if text then return text end
  end
end

-- Both pauses are read by setting them.
local function collector(what)
  local value = collectgarbage(what, 200)
  collectgarbage(what, value)
  return tostring(value)
end

local function snapshot()
  local into, seen = {}, {}
  walk(_G, '_G', seen, into)
  into._G_metatable = tostring(getmetatable(_G))
  for name, value in next, {string = '', number = 1, boolean = true, ['function'] = print,
      thread = coroutine.create(print)} do
    walk(debug.getmetatable(value), 'metatable of a ' .. name, seen, into)
  end
  into['metatable of nil'] = tostring(debug.getmetatable(nil))
  into.hook = tostring(debug.gethook())
  into.locale = tostring(os.setlocale())
  into.input, into.output = tostring(io.input()), tostring(io.output())
  into.decimal_point, into.tiny = tostring(0.5), tostring(2 ^ -1060 / 2 > 0)
  into.pause, into.stepmul = collector('setpause'), collector('setstepmul')
  into.jit = rawget(_G, 'jit') and table.concat({tostring((jit.status()))}, ' ') or 'none'
  into.threads = status('Threads')
  into.blocked = status('SigBlk')
  -- The C library handles signal 33 itself, from the first thread of a process on.
  for name, field in next, {caught = 'SigCgt', ignored = 'SigIgn'} do
    into[name] = status(field):gsub('^(%x*)(%x%x%x%x%x%x%x%x)$', function(high, low)
      return ('%x'):format(tonumber(high, 16) - tonumber(high, 16) % 2) .. low
    end)
  end
  math.randomseed(7)
  return into
end

local function differences(before, after, what)
  local count = 0
  local function tell(...)
    count = count + 1
    print(what, ...)
  end
  for name, value in next, before do
    if after[name] ~= value then tell(name, value, after[name]) end
  end
  for name, value in next, after do
    if before[name] == nil then tell(name, nil, value) end
  end
  return count
end

package.cpath = folder .. '/?.so'
math.randomseed(7)
local expected = math.random()
local before = snapshot()
local moonlet = require 'moonlet'
local count = differences(before, snapshot(), 'loading')
assert(type(moonlet) == 'table')
assert(type(assert(loadfile(work_path))(moonlet, scratch)) == 'string')
if math.random() ~= expected then
  count = count + 1
  print('math.random was used')
end
count = count + differences(before, snapshot(), 'using')
collectgarbage()
collectgarbage()
count = count + differences(before, snapshot(), 'collecting')

-- Threads only when they are asked for, and only as long.
local torch, seen = moonlet.torch, {}
for _, threads in ipairs {2, 1, 3, 1} do
  torch.setnumthreads(threads)
  for _ = 1, 3 do torch.rand(1000, 1000):add(1):exp() end
  seen[#seen + 1] = status('Threads')
end
if table.concat(seen, ' ') ~= '2 1 3 1' then
  count = count + 1
  print('threads', table.concat(seen, ' '))
end
print(count == 0 and 'ok' or count .. ' differences')
