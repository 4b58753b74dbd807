-- torch.Tester, torch.TestSuite and torch.test. What they print is caught.
local torch = require 'torch'

local function quietly(fn, ...)
  local write, written = io.write, {}
  io.write = function(...) -- luacheck: ignore
    for i = 1, select('#', ...) do written[#written + 1] = tostring((select(i, ...))) end
  end
  local ok, message = pcall(fn, ...)
  io.write = write -- luacheck: ignore
  return ok, message, table.concat(written)
end

local function run(tester, names)
  return quietly(tester.run, tester, names)
end

describe('assertions of torch.Tester', function()
  local t = torch.Tester()

  local function check(expected, name, ...)
    local before, errors = t.countasserts, #t.errors
    assert.equal(expected, t[name](t, ...), name)
    assert.equal(before + 1, t.countasserts)
    assert.equal(errors + (expected and 0 or 1), #t.errors)
  end

  it('compare plain values', function()
    check(true, 'assert', true)
    check(false, 'assert', false)
    check(false, 'assert', nil, 'message')
    check(true, 'asserteq', 1, 1)
    check(false, 'asserteq', 1, 2, 'message')
    check(true, 'assertne', 'a', 'b')
    check(false, 'assertne', 'a', 'a')
    check(true, 'assertlt', 1, 2)
    check(false, 'assertlt', 2, 2)
    check(true, 'assertgt', 2, 1)
    check(false, 'assertgt', 1, 1)
    check(true, 'assertle', 2, 2)
    check(false, 'assertle', 3, 2)
    check(true, 'assertge', 2, 2)
    check(false, 'assertge', 1, 2)
    check(true, 'assertalmosteq', 1, 1.01, 0.1)
    check(false, 'assertalmosteq', 1, 1.01, 1e-3, 'message')
    check(false, 'assertalmosteq', 1, 1.01)
  end)

  it('compare tensors, with tolerance and message in any order', function()
    local a, b = torch.FloatTensor {{1, 2}, {3, 4}}, torch.FloatTensor {1, 2, 3, 4.5}
    check(true, 'assertTensorEq', a, a:clone())
    check(false, 'assertTensorEq', a, b)
    check(true, 'assertTensorEq', a, b, 0.5)
    check(true, 'assertTensorEq', a, b, 'message', 0.5)
    check(true, 'assertTensorEq', a, b, 0.5, 'message')
    check(false, 'assertTensorEq', a, a:double())
    check(false, 'assertTensorEq', a, 5)
    check(true, 'assertTensorNe', a, b, 0.4)
    check(false, 'assertTensorNe', a, b, 0.5)
    check(true, 'assertTensorEq', torch.FloatTensor(), torch.FloatTensor())
    check(false, 'eq', a, b, 0.5)
    check(true, 'eq', a, b:view(2, 2), 0.5)
    local odd = torch.DoubleTensor {0 / 0, math.huge}
    check(true, 'eq', odd, odd:clone())
    check(false, 'eq', odd, torch.DoubleTensor {0 / 0, 1})
    check(false, 'eq', odd, torch.DoubleTensor {1, math.huge})
    check(true, 'eq', torch.IntStorage {1, 2}, torch.IntStorage {1, 2})
    check(false, 'eq', torch.IntStorage {1, 2}, torch.IntStorage {1, 3})
  end)

  it('compare tables', function()
    check(true, 'assertTableEq', {1, {x = 2}}, {1, {x = 2}})
    check(false, 'assertTableEq', {1, {x = 2}}, {1, {x = 3}})
    check(true, 'assertTableEq', {1}, {1.25}, 0.5)
    check(false, 'assertTableEq', {1}, {1, 2})
    check(false, 'assertTableEq', {1, 2}, {1})
    check(true, 'assertTableNe', {1}, {2})
    check(true, 'assertGeneralEq', {torch.ones(2)}, {torch.ones(2)})
    check(true, 'ne', {1}, 1)
    local a, b = {}, {}
    a.me, b.me = a, b
    check(true, 'eq', a, b)
  end)

  it('await errors', function()
    local function fails() error('some text', 0) end
    local function works() end
    check(true, 'assertError', fails)
    check(false, 'assertError', works, 'message')
    check(true, 'assertNoError', works)
    check(false, 'assertNoError', fails)
    check(true, 'assertErrorMsg', fails, 'some text')
    check(false, 'assertErrorMsg', fails, 'text')
    check(true, 'assertErrorPattern', fails, 'te.t')
    check(false, 'assertErrorPattern', fails, 'tent')
    check(false, 'assertErrorPattern', works, '')
    check(true, 'assertErrorObj', function() error({code = 5}) end,
      function(raised) return raised.code == 5 end)
  end)
end)

describe('torch.Tester', function()
  local function make()
    local t, ran, suite = torch.Tester(), {}, torch.TestSuite()
    function suite.good() ran[#ran + 1] = 'good' t:assert(true) end
    function suite.bad() ran[#ran + 1] = 'bad' t:asserteq(1, 2, 'one is two') end
    function suite.broken() ran[#ran + 1] = 'broken' error('oops') end
    return t:add(suite), ran, suite
  end

  it('runs tests and tells what failed', function()
    local t, ran = make()
    local ok, message, text = run(t)
    assert.is_false(ok)
    assert.matches('2 tests of 3 failed', message)
    assert.same({'bad', 'broken', 'good'}, ran)
    assert.equal(2, #t.errors)
    assert.equal(2, t.countasserts)
    assert.matches('1/3 bad %.+ %[FAIL%]\n2/3 broken %.+ %[ERROR%]\n3/3 good %.+ %[PASS%]\n', text)
    assert.matches('Completed 2 asserts in 3 tests with 1 failure and 1 error\n', text)
    assert.matches('bad\n  one is two\n  1 is not equal to 2\n  .-tester_spec.lua:%d+\n', text)
    assert.matches('broken\n  error: .-oops', text)
  end)

  it('runs what is chosen by name, pattern or list', function()
    local t, ran = make()
    assert.is_true((run(t, 'good')))
    assert.is_true((run(t, '^g')))
    assert.is_true((run(t, {'good', 'oo'})))
    assert.same({'good', 'good', 'good'}, ran)
    assert.is_false((run(t, 'b')))
    assert.equal(5, #ran)
    local ok, message = run(t, 'nothing')
    assert.is_false(ok)
    assert.matches('no test matches nothing', message)
    t:disable({'bad', 'broken'})
    local _, _, text = run(t)
    assert.matches('broken %.+ %[SKIP%]', text)
    assert.equal(6, #ran)
    assert.error_matches(function() t:disable('other') end, 'there is no test other')
  end)

  it('ends early, raises again, or says little when asked', function()
    local t, ran = make()
    t:setEarlyAbort(true)
    assert.is_false((run(t)))
    assert.same({'bad'}, ran)
    t = make():setRethrowErrors(true)
    local _, message = run(t, 'broken')
    assert.matches('oops', message)
    local _, _, text = run(make():setSummaryOnly(true), 'good')
    assert.is_nil(text:find('PASS'))
  end)

  it('prepares each test and clears up', function()
    local t, log = torch.Tester(), {}
    t:add({_setUp = function(name) log[#log + 1] = 'up ' .. name end,
      _tearDown = function(name) log[#log + 1] = 'down ' .. name end,
      a = function() log[#log + 1] = 'a' end, b = function() error('x') end})
    t:add(function() log[#log + 1] = 'c' end, 'c')
    run(t)
    assert.same({'up a', 'a', 'down a', 'up b', 'down b', 'c'}, log)
    assert.equal('function', type(t.tests.a))
    t:add(function(name) log[#log + 1] = 'all ' .. name end, '_setUp')
    run(t, 'c')
    assert.equal('all c', log[#log - 1])
  end)

  it('refuses what is no test', function()
    local t = torch.Tester()
    assert.error_matches(function() t:add(5, 'x') end, 'function with a name')
    assert.error_matches(function() t:add(print) end, 'function with a name')
    assert.error_matches(function() t:add({a = 5}) end, 'function with a name')
    assert.error_matches(function() t:add({}, 'x') end, 'no name of its own')
    t:add(print, 'a')
    assert.error_matches(function() t:add(print, 'a') end, 'exists already')
  end)
end)

describe('torch.TestSuite', function()
  it('takes functions, each name once', function()
    local suite = torch.TestSuite()
    function suite.one() return 1 end
    assert.equal(1, suite.one())
    assert.equal(suite.one, rawget(suite, '__tests').one)
    assert.is_true(rawget(suite, '__isTestSuite'))
    assert.error_matches(function() function suite.one() end end, 'one is already defined')
    assert.error_matches(function() suite.two = 5 end, 'must be a function, got number')
    assert.is_nil(suite.three)
  end)
end)

describe('torch.test', function()
  it('finds that all is well', function()
    local ok, _, text = quietly(torch.test)
    assert.is_true(ok)
    assert.matches('with 0 failures and 0 errors', text)
    assert.is_true((quietly(torch.test, 'files')))
  end)
end)
