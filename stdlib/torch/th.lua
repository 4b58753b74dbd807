--- What programs written for Torch7's Lua (LuaJIT with parts of Lua 5.2) find missing in this one.
-- These change globals, so they are for the program `th` and for torch.th_defaults() alone.
local th = {}

local function missing_in(tbl, names)
  for name, value in pairs(names) do
    if tbl[name] == nil then tbl[name] = value end
  end
end

-- ---------------------------------------------------------------------------------------------
-- Both virtual machines.

local function pack(...)
  return {n = select('#', ...), ...}
end

-- `include(file)`: runs a file that stands beside the one that asks for it.
local function include(file, depth)
  local info = debug.getinfo(2 + (depth or 0), 'S')
  local folder = info and info.source:match('^@(.*)/[^/]*$')
  if folder and file:sub(1, 1) ~= '/' then file = folder .. '/' .. file end
  return dofile(file)
end

-- ---------------------------------------------------------------------------------------------
-- LuaJIT without what it can take over from Lua 5.2.

-- The status of system(): an exit code in the second byte, or the number of a signal.
local function execute_52(execute)
  return function(command)
    if command == nil then return execute() ~= 0 end
    local status = execute(command)
    if status == 0 then return true, 'exit', 0 end
    if status % 256 == 0 then return nil, 'exit', status / 256 end
    return nil, 'signal', status % 128
  end
end

-- `for k, v in pairs(object)` asks the object's metatable first.
local function with_method(iterate, method)
  return function(tbl)
    local mt = getmetatable(tbl)
    local own = type(mt) == 'table' and rawget(mt, method)
    if not own then return iterate(tbl) end
    local f, state, first = own(tbl)
    return f, state, first
  end
end

local function extend_luajit(globals)
  globals.os.execute = execute_52(globals.os.execute)
  globals.pairs = with_method(globals.pairs, '__pairs')
  globals.ipairs = with_method(globals.ipairs, '__ipairs')
end

-- ---------------------------------------------------------------------------------------------
-- Lua 5.4 without the names of Lua 5.1.

-- The function at a level of the stack, as setfenv and getfenv count it: 1 is their caller.
local function function_at(what, name)
  if type(what) == 'function' then return what end
  if what == nil then what = 1 end
  local info = type(what) == 'number' and debug.getinfo(what + 2, 'f')
  if not info then error(('bad argument to %s: no such function'):format(name), 3) end
  return info.func
end

local function globals_of(fn)
  for i = 1, 255 do
    local name, value = debug.getupvalue(fn, i)
    if name == '_ENV' then return i, value end
    if name == nil then return nil, nil end
  end
end

local function getfenv_51(what)
  if what == 0 then return _G end
  local _, env = globals_of(function_at(what, 'getfenv'))
  return env or _G
end

local function setfenv_51(what, env)
  local fn = function_at(what, 'setfenv')
  local at = globals_of(fn)
  if at then debug.upvaluejoin(fn, at, function() return env end, 1) end
  return fn
end

local function maxn(tbl)
  local most = 0
  for key in next, tbl do
    if type(key) == 'number' and key > most then most = key end
  end
  return most
end

-- %d takes 3.5, as C cuts it off.
local function format_51(format)
  return function(text, ...)
    if select('#', ...) == 0 then return format(text) end
    local values, at = pack(...), 0
    for flags, kind in tostring(text):gmatch('%%([^%a%%]*)(.)') do
      if kind ~= '%' or flags ~= '' then
        at = at + 1
        local value = tonumber(values[at])
        if kind:find('[dicouxX]') and value and math.type(value) == 'float'
            and value > -2 ^ 63 and value < 2 ^ 63 then
          values[at] = math.tointeger(value < 0 and math.ceil(value) or math.floor(value))
        end
      end
    end
    return format(text, table.unpack(values, 1, values.n))
  end
end

local function frexp(x)
  if x == 0 or x ~= x or x == math.huge or x == -math.huge then return x, 0 end
  local exponent = math.max(-1074, math.floor(math.log(math.abs(x), 2)) + 1)
  local fraction = x / 2.0 ^ exponent
  if math.abs(fraction) >= 1 then return fraction / 2, exponent + 1 end
  if math.abs(fraction) < 0.5 then return fraction * 2, exponent - 1 end
  return fraction, exponent
end

local function extend_54(globals)
  local old_math = {
    pow = function(x, y) return (x + 0.0) ^ y end,
    log10 = function(x) return math.log(x, 10) end,
    ldexp = function(x, exponent)
      local half = math.floor(exponent / 2) -- in two steps, lest the power alone overflows
      return x * 2.0 ^ half * 2.0 ^ (exponent - half)
    end,
    frexp = frexp,
    cosh = function(x) return (math.exp(x) + math.exp(-x)) / 2 end,
    sinh = function(x) return (math.exp(x) - math.exp(-x)) / 2 end,
    tanh = function(x)
      if x > 20 then return 1.0 elseif x < -20 then return -1.0 end
      local e = math.exp(2 * x)
      return (e - 1) / (e + 1)
    end,
  }
  missing_in(globals.math, old_math)
  missing_in(globals.table, {maxn = maxn})
  missing_in(globals, {unpack = table.unpack, loadstring = load, setfenv = setfenv_51,
    getfenv = getfenv_51})
  globals.package.loaders = globals.package.loaders or globals.package.searchers
  globals.string.format = format_51(globals.string.format)
end

-- ---------------------------------------------------------------------------------------------

--- Adds what is missing to the table of globals; a second time does nothing.
function th.install(globals)
  if th.installed then return end
  th.installed = true
  local plain_luajit = not math.type and globals.table.pack == nil -- it has it with all the rest
  missing_in(globals.string, {gfind = globals.string.gmatch})
  missing_in(globals.table, {unpack = globals.unpack, pack = pack})
  missing_in(globals, {include = include})
  if math.type then extend_54(globals) elseif plain_luajit then extend_luajit(globals) end
end

return th
