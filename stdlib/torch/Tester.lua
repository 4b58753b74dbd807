--- Runs tests and counts what they assert. Assertions take a message, which says what is wrong when
-- they fail, and return whether they held; a tolerance and a message may come in any order.
local core = require 'torch.core'
local class = require 'torch.class'
local compare = require 'torch.compare'

local package = {}
local Tester = class.class('torch.Tester', package)

local WIDTH = 80
local ABORT = {} -- raised to leave a test at its first failure

function Tester:__init()
  self.errors = {}      -- texts: name of the test, message, place
  self.tests = {}       -- name -> function
  self.countasserts = 0
  self._fixtures = {}   -- name -> the table it came from, for its _setUp and _tearDown
  self._disabled = {}
  self._current = ''    -- name of the running test
  self._failed, self._broken = {}, {} -- names of tests: assertions that failed, errors
end

--- setEarlyAbort(true): ends the run at the first failure.
function Tester:setEarlyAbort(flag)
  self._early_abort = flag
  return self
end

--- setRethrowErrors(true): an error in a test ends the run and is raised again.
function Tester:setRethrowErrors(flag)
  self._rethrow = flag
  return self
end

--- setSummaryOnly(true): no line for each test.
function Tester:setSummaryOnly(flag)
  self._summary_only = flag
  return self
end

-- ---------------------------------------------------------------------------------------------
-- Assertions.

-- The line of the test: the first that is not in this file.
local function place()
  for level = 3, 30 do
    local info = debug.getinfo(level, 'Sl')
    if not info then return '' end
    if info.what ~= 'C' and not info.source:find('torch/Tester.lua', 1, true)
        and not info.source:find('torch/compare.lua', 1, true) then
      return ('%s:%d'):format(info.short_src, info.currentline)
    end
  end
  return ''
end

function Tester:_record(message)
  self.errors[#self.errors + 1] = ('%s\n  %s\n  %s'):format(self._current, message, place())
  self._failed[self._current] = true
  if self._early_abort and self._running then error(ABORT, 0) end
  return false
end

function Tester:_check(holds, reason, message)
  self.countasserts = self.countasserts + 1
  if holds then return true end
  return self:_record(message and message .. '\n  ' .. reason or reason)
end

-- The message and the tolerance, in whatever order they came.
local function options(default, first, second)
  local tolerance, message = default, nil
  for _, value in pairs {first, second} do
    if type(value) == 'number' then tolerance = value else message = tostring(value) end
  end
  return tolerance, message
end

local function shown(value)
  if type(value) == 'string' then return ('%q'):format(value) end
  return tostring(value)
end

--- The condition holds.
function Tester:assert(condition, message)
  return self:_check(condition, 'the condition is ' .. tostring(condition), message)
end

-- What is true of a and b, as a comparison and in the words of a failure.
local relations = {
  asserteq = {function(a, b) return a == b end, 'is not equal to'},
  assertne = {function(a, b) return a ~= b end, 'is equal to'},
  assertlt = {function(a, b) return a < b end, 'is not less than'},
  assertgt = {function(a, b) return a > b end, 'is not greater than'},
  assertle = {function(a, b) return a <= b end, 'is not less than or equal to'},
  assertge = {function(a, b) return a >= b end, 'is not greater than or equal to'},
}
for name, relation in pairs(relations) do
  Tester[name] = function(self, a, b, message)
    local reason = ('%s %s %s'):format(shown(a), relation[2], shown(b))
    return self:_check(relation[1](a, b), reason, message)
  end
end

--- |a - b| <= tolerance, which is 1e-16 unless given.
function Tester:assertalmosteq(a, b, ...)
  local tolerance, message = options(1e-16, ...)
  local same, reason = compare.values(a, b, tolerance)
  return self:_check(same, reason, message)
end

-- assertXEq and assertXNe from one function that compares.
local function add_pair(what, same_as)
  Tester['assert' .. what .. 'Eq'] = function(self, a, b, ...)
    local tolerance, message = options(0, ...)
    local same, reason = same_as(a, b, tolerance)
    return self:_check(same, reason, message)
  end
  Tester['assert' .. what .. 'Ne'] = function(self, a, b, ...)
    local tolerance, message = options(0, ...)
    return self:_check(not same_as(a, b, tolerance), 'both are the same', message)
  end
end

add_pair('General', compare.values)
add_pair('Tensor', compare.tensors)
add_pair('Table', compare.tables)
Tester.eq, Tester.ne = Tester.assertGeneralEq, Tester.assertGeneralNe

--- f() raises no error.
function Tester:assertNoError(f, message)
  local ok, raised = pcall(f)
  return self:_check(ok, 'an error was raised: ' .. tostring(raised), message)
end

--- f() raises an error for which check(error) is true.
function Tester:assertErrorObj(f, check, message)
  local ok, raised = pcall(f)
  if ok then return self:_check(false, 'no error was raised', message) end
  return self:_check(check(raised), 'another error was raised: ' .. tostring(raised), message)
end

--- f() raises an error, whatever it says.
function Tester:assertError(f, message)
  return self:assertErrorObj(f, function() return true end, message)
end

--- f() raises an error with exactly this text.
function Tester:assertErrorMsg(f, text, message)
  return self:assertErrorObj(f, function(raised) return raised == text end, message)
end

--- f() raises an error whose text matches this Lua pattern.
function Tester:assertErrorPattern(f, pattern, message)
  return self:assertErrorObj(f, function(raised)
    return tostring(raised):find(pattern) ~= nil
  end, message)
end

-- ---------------------------------------------------------------------------------------------
-- Adding tests.

local function check_test(test, name)
  if type(test) ~= 'function' or type(name) ~= 'string' then
    error(('Tester: a test is a function with a name, got a %s with a %s'):format(type(test),
      type(name)), 3)
  end
end

function Tester:_add(name, test, from)
  if name == '_setUp' or name == '_tearDown' then
    if not from then self[name] = test end
    return
  end
  if self.tests[name] then error(('Tester: test %s exists already'):format(name), 3) end
  self.tests[name], self._fixtures[name] = test, from
end

--- add(function, name), or add(table or TestSuite of functions). Returns the tester.
function Tester:add(test, name)
  if type(test) ~= 'table' then
    check_test(test, name)
    self:_add(name, test)
    return self
  end
  if name ~= nil then error('Tester: a table of tests has no name of its own', 2) end
  local tests = rawget(test, '__isTestSuite') and rawget(test, '__tests') or test
  for key, fn in pairs(tests) do check_test(fn, key) end
  for key, fn in pairs(tests) do self:_add(key, fn, tests) end
  return self
end

local function each_name(names, use)
  if type(names) == 'string' then names = {names} end
  for _, name in ipairs(names) do use(name) end
end

--- disable(name or list of names): these tests are not run.
function Tester:disable(names)
  each_name(names, function(name)
    if not self.tests[name] then error(('Tester: there is no test %s'):format(name), 4) end
    self._disabled[name] = true
  end)
  return self
end

-- ---------------------------------------------------------------------------------------------
-- Running.

-- Names in order: all, or those that are wanted by name or by pattern.
function Tester:_select(wanted)
  local names, taken = {}, {}
  local function take(name)
    if not taken[name] then names[#names + 1] = name end
    taken[name] = true
  end
  if wanted == nil then
    for name in pairs(self.tests) do take(name) end
  else
    each_name(wanted, function(pattern)
      local found = false
      if self.tests[pattern] then return take(pattern) end
      for name in pairs(self.tests) do
        if name:find(pattern) then
          take(name)
          found = true
        end
      end
      if not found then error(('Tester: no test matches %s'):format(pattern), 5) end
    end)
  end
  table.sort(names)
  return names
end

local function traceback(raised)
  if raised == ABORT or type(raised) ~= 'string' then return raised end
  return debug.traceback(raised, 2)
end

function Tester:_protected(fn, ...)
  local arguments, count = {...}, select('#', ...)
  local ok, raised = xpcall(function() return fn((unpack or table.unpack)(arguments, 1, count)) end,
    traceback)
  if ok or raised == ABORT then return ok end
  if self._rethrow then error(raised, 0) end
  self._broken[self._current] = true
  self.errors[#self.errors + 1] = ('%s\n  error: %s'):format(self._current, tostring(raised))
  return false
end

local function no_fixture() end

function Tester:_run_test(name)
  local from = self._fixtures[name] or {}
  self._current, self._running = name, true
  if self:_protected(from._setUp or self._setUp or no_fixture, name) then
    self:_protected(self.tests[name])
    self:_protected(from._tearDown or self._tearDown or no_fixture, name)
  end
  self._running, self._current = false, ''
end

local COLORS = {PASS = '\27[32m', FAIL = '\27[31m', ERROR = '\27[35m', SKIP = '\27[33m'}

function Tester:_say_result(at, count, name)
  if self._summary_only then return end
  local result = self._disabled[name] and 'SKIP' or self._broken[name] and 'ERROR'
    or self._failed[name] and 'FAIL' or 'PASS'
  local left = ('%d/%d %s '):format(at, count, name)
  local dots = ('.'):rep(WIDTH - #left - #result - 3)
  if core.isatty(1) then result = COLORS[result] .. result .. '\27[0m' end
  io.write(left, dots, ' [', result, ']\n')
  io.flush()
end

local function count(tbl)
  local n = 0
  for _ in pairs(tbl) do n = n + 1 end
  return n
end

local function counted(n, word)
  return ('%d %s%s'):format(n, word, n == 1 and '' or 's')
end

function Tester:_say_summary(tests)
  io.write(('Completed %s in %s with %s and %s\n'):format(counted(self.countasserts, 'assert'),
    counted(tests, 'test'), counted(count(self._failed), 'failure'),
    counted(count(self._broken), 'error')))
  for _, message in ipairs(self.errors) do
    io.write(('-'):rep(WIDTH), '\n', message, '\n')
  end
  if #self.errors > 0 then io.write(('-'):rep(WIDTH), '\n') end
  io.flush()
end

--- run([name, pattern, or list of these]): all tests unless told which. Raises an error at the end
-- if a test failed.
function Tester:run(wanted)
  local names = self:_select(wanted)
  self.errors, self.countasserts = {}, 0
  self._failed, self._broken = {}, {}
  io.write(('Running %s\n'):format(counted(#names, 'test')))
  for i, name in ipairs(names) do
    if not self._disabled[name] then self:_run_test(name) end
    self:_say_result(i, #names, name)
    if self._early_abort and #self.errors > 0 then break end
  end
  self:_say_summary(#names)
  if #self.errors > 0 then
    error(('%s of %d failed'):format(counted(count(self._failed) + count(self._broken), 'test'),
      #names), 2)
  end
end

return package.Tester
