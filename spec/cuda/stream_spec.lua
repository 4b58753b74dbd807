-- Devices, streams and events, as torch.cuda shows them.
local torch = require 'torch'

local cuda = torch.cuda
if not cuda.is_available() then return end

local several = cuda.device_count() > 1

local function fails(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(message:find(text, 1, true), message)
end

describe('devices', function()
  it('are described', function()
    assert.are.equal(1, cuda.current_device())
    assert.are.equal('string', type(cuda.get_device_name()))
    local p = cuda.get_device_properties('cuda:0')
    assert.are.equal(cuda.get_device_name(1), p.name)
    assert.is_true(p.total_memory > 0 and p.multi_processor_count > 0)
    assert.are.same({ p.major, p.minor }, { cuda.get_device_capability() })
  end)

  it('are named or numbered from 1', function()
    fails('devices are numbered from 1, got 0', cuda.get_device_name, 0)
    fails('the last one is', cuda.get_device_name, 100)
    fails("a GPU expected, got 'cpu'", cuda.get_device_name, 'cpu')
    fails('the number of a device expected', cuda.set_device)
    fails('a function expected', cuda.with_device, 1)
  end)

  it('one seed goes for all', function()
    cuda.manual_seed(3)
    local x = torch.rand(5, { device = 'cuda' })
    torch.manualSeed(3)
    assert.are.same(torch.rand(5):totable(), x:cpu():totable())
  end)

  if not several then return end

  it("'cuda' is the current one", function()
    cuda.set_device(2)
    assert.are.equal(2, cuda.current_device())
    assert.are.equal('cuda:1', torch.randn(2):cuda().device)
    assert.are.equal('cuda:1', torch.zeros(2, { device = 'cuda' }).device)
    assert.are.equal('cuda:0', torch.zeros(2, { device = 'cuda:0' }).device)
    assert.are.equal('cuda:0', torch.randn(2):cuda(1).device)
    cuda.set_device('cuda:0')
    assert.are.equal(1, cuda.current_device())
  end)

  it('change for the time of a call, also of one that fails', function()
    local device, more = cuda.with_device(2, function(a)
      return torch.zeros(2, { device = 'cuda' }).device, a
    end, 7)
    assert.are.equal('cuda:1', device)
    assert.are.equal(7, more)
    fails('wrong', cuda.with_device, 2, function() error('wrong') end)
    assert.are.equal(1, cuda.current_device())
  end)

  it('give values to each other', function()
    for _, dtype in ipairs { 'float32', 'int64', 'float16', 'uint8' } do
      local x = torch.range(1, 24):to(dtype):view(4, 6)
      local a = x:cuda(1)
      local b = a:cuda(2)
      assert.are.equal('cuda:1', b.device)
      assert.are.same(x:totable(), b:cpu():totable())
      assert.are.same(x:t():totable(), a:t():cuda(2):cpu():totable())
      b:zero()
      b:t():copy(a:t())
      assert.are.same(x:totable(), b:cpu():totable())
    end
  end)

  it('are counted each for itself', function()
    local before = cuda.memory_allocated(1)
    local x = torch.ByteTensor(4096):cuda(2)
    assert.is_true(cuda.memory_allocated(2) >= 4096)
    assert.are.equal(before, cuda.memory_allocated(1))
    assert.are.equal(4096, x:nElement())
  end)

  it('are not mixed', function()
    fails('add: input 2 is on cuda:1, but others are on cuda:0', torch.add,
      torch.randn(2):cuda(1), torch.randn(2):cuda(2))
  end)
end)

describe('streams', function()
  it('are made, and are themselves', function()
    local s, t = cuda.Stream(), cuda.Stream('cuda:0', -1)
    assert.is_true(s == s)
    assert.is_false(s == t)
    assert.is_true(cuda.default_stream() == cuda.current_stream())
    assert.are.equal(1, s:device())
    assert.is_true(s:query())
    s:synchronize()
    assert.is_truthy(tostring(s):find('cuda:0', 1, true))
    assert.are.equal('userdata', type(s:handle()))
  end)

  it('do what is asked of them', function()
    local s = cuda.Stream()
    local x = torch.range(1, 10):cuda()
    local y, inside = cuda.stream(s, function(n)
      assert.is_true(cuda.current_stream() == s)
      return torch.add(x, n), true
    end, 5)
    assert.is_true(inside)
    assert.is_true(cuda.current_stream() == cuda.default_stream())
    cuda.current_stream():wait_stream(s)
    assert.are.same(torch.range(6, 15):totable(), y:cpu():totable())
  end)

  it('are left after an error', function()
    fails('wrong', cuda.stream, cuda.Stream(), function() error('wrong') end)
    assert.is_true(cuda.current_stream() == cuda.default_stream())
    cuda.set_stream(cuda.Stream())
    assert.is_false(cuda.current_stream() == cuda.default_stream())
    cuda.set_stream(nil)
    assert.is_true(cuda.current_stream() == cuda.default_stream())
  end)

  it('may be many', function()
    local all, x = {}, torch.ones(100):cuda()
    for i = 1, 100 do
      all[i] = cuda.Stream()
      cuda.stream(all[i], function() x:add(1) end)
      cuda.current_stream():wait_stream(all[i])
    end
    assert.are.equal(10100, x:cpu():sum())
    assert.is_true(cuda.Stream('cuda:0', -1):query()) -- of another priority, which is only a wish
    local graph = cuda.graph(function() x:add(1) end) -- graphs have places of their own
    graph()
    assert.are.equal(10200, x:cpu():sum())
    all = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_true(cuda.Stream():query())
  end)

  it('share memory in order', function()
    local s = cuda.Stream()
    for i = 1, 50 do
      local x = torch.Tensor(5000):fill(i):cuda()
      s:wait_stream(cuda.current_stream())
      local y = cuda.stream(s, function() return torch.mul(x, 2) end)
      x = nil -- luacheck: ignore
      collectgarbage()
      local z = torch.zeros(5000, { device = 'cuda' })
      cuda.current_stream():wait_stream(s)
      assert.are.equal(2 * i, y[1])
      assert.are.equal(2 * i, y[5000])
      assert.are.equal(0, z[1])
    end
  end)

  it('want a stream', function()
    fails('a torch.cuda.Stream expected', cuda.stream, 3, function() end)
    fails('a torch.cuda.Stream expected', cuda.stream, torch.randn(2), function() end)
    fails('a function expected', cuda.stream, cuda.Stream())
    fails('a torch.cuda.Event expected', cuda.Stream().wait_event, cuda.Stream(), 1)
  end)
end)

describe('events', function()
  it('are reached', function()
    local e = cuda.Event()
    assert.is_true(e:query())
    local x = torch.ones(10):cuda()
    x:add(1)
    assert.is_true(e:record() == e)
    e:synchronize()
    assert.is_true(e:query())
    e:wait()
    cuda.Stream():wait_event(e)
    assert.are.equal(20, x:cpu():sum())
  end)

  it('tell the time between them', function()
    local a, b = cuda.Event(), cuda.Event()
    fails('have to be recorded first', a.elapsed_time, a, b)
    a:record()
    torch.ones(1000):cuda()
    b:record()
    b:synchronize()
    assert.is_true(a:elapsed_time(b) >= 0)
    local c = cuda.Event { enable_timing = false }
    c:record()
    fails('enable_timing', a.elapsed_time, a, c)
  end)

  it('belong to a device', function()
    if not several then return end
    local e = cuda.with_device(2, cuda.Event)
    fails('one of another device', e.record, e, cuda.Stream(1))
    e:record(cuda.Stream(2))
    cuda.Stream(1):wait_event(e)
  end)
end)
