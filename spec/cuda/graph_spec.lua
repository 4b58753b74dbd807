-- Captured graphs: what was noted once happens again at each replay, as it would have without.
local torch = require 'torch'
local nn = require 'nn'

local cuda = torch.cuda
if not cuda.is_available() then return end

local function fails(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(message:find(text, 1, true), message)
end

-- Nothing is left of a capture that went wrong.
local function still_works()
  assert.is_true(cuda.current_stream() == cuda.default_stream())
  local x = torch.ones(3):cuda()
  local g = cuda.graph(function() x:add(1) end)
  g()
  g()
  assert.are.equal(9, x:cpu():sum())
end

describe('a graph', function()
  it('does nothing while it is captured, and all of it at each replay', function()
    local x, y = torch.zeros(5):cuda(), torch.ones(5):cuda()
    local calls = 0
    local g = cuda.graph(function(n)
      calls = calls + 1
      x:add(n, y)
      return torch.mul(x, 2), 'more', nil
    end, 3)
    assert.are.equal(0, x:cpu():sum())
    local doubled, more, none = g()
    assert.are.same({ 3, 3, 3, 3, 3 }, x:cpu():totable())
    assert.are.same({ 6, 6, 6, 6, 6 }, doubled:cpu():totable())
    assert.are.equal('more', more)
    assert.is_nil(none)
    assert.is_true(g:replay() == doubled)
    assert.are.equal(60, doubled:cpu():sum())
    y:fill(10)
    g()
    assert.are.equal(36, x[1])
    assert.are.equal(1, calls)
    assert.are.equal('torch.cuda.Graph', tostring(g))
  end)

  it('is warmed up before, if that is asked for', function()
    local x = torch.zeros(2):cuda()
    local g = cuda.graph({ warmup = 3 }, function() x:add(1) end)
    assert.are.equal(3, x[1])
    g()
    assert.are.equal(4, x[1])
  end)

  it('reads what its inputs hold then', function()
    local input = torch.zeros(3, 4):cuda()
    local g = cuda.graph(function()
      return torch.add(torch.exp(input:t()), 1):contiguous()
    end)
    for _ = 1, 3 do
      local x = torch.randn(3, 4)
      input:copy(x)
      local expected = torch.add(torch.exp(x:t()), 1)
      assert.is_true(torch.csub(g():cpu(), expected):abs():max() < 1e-5)
    end
  end)

  it('keeps what it uses', function()
    local x = torch.ones(1000):cuda()
    local g = (function()
      local hidden = torch.Tensor(1000):fill(5):cuda()
      return cuda.graph(function() x:add(hidden) end)
    end)()
    collectgarbage()
    collectgarbage()
    for _ = 1, 5 do torch.zeros(1000, { device = 'cuda' }) end
    g()
    assert.are.equal(6000, x:cpu():sum())
  end)

  it('has memory that nobody else gets', function()
    local x = torch.ones(500):cuda()
    local result
    local g = cuda.graph(function()
      local y = x
      for _ = 1, 20 do y = torch.add(y, 1) end
      result = torch.mul(y, 1)
    end)
    collectgarbage()
    collectgarbage()
    local others = {}
    for i = 1, 30 do others[i] = torch.Tensor(500):fill(i):cuda() end
    g()
    for i = 1, 30 do assert.are.equal(500 * i, others[i]:cpu():sum()) end
    assert.are.equal(21 * 500, result:cpu():sum())
    g = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.are.equal(21 * 500, result:cpu():sum())
    local reserved = cuda.memory_reserved()
    result = nil
    collectgarbage()
    collectgarbage()
    torch.zeros(1, { device = 'cuda' }) -- looks for what other streams are done with
    assert.is_true(cuda.memory_reserved() < reserved)
    assert.is_nil(result)
  end)

  it('draws the numbers that the work itself would have drawn', function()
    local function draw()
      return torch.rand(10, { device = 'cuda' }),
        torch.randn(6, { dtype = 'float64', device = 'cuda' })
    end
    local expected = {}
    torch.manualSeed(11)
    for i = 1, 4 do
      local a, b = draw()
      expected[i] = { a:cpu():totable(), b:cpu():totable() }
    end
    local after = torch.rand(1)[1]
    torch.manualSeed(5)
    torch.rand(3)
    local g = cuda.graph(draw)
    torch.manualSeed(11)
    for i = 1, 4 do
      local a, b = g()
      assert.are.same(expected[i], { a:cpu():totable(), b:cpu():totable() })
    end
    assert.are.equal(after, torch.rand(1)[1])
  end)

  it('leaves the generator alone while it is captured', function()
    torch.manualSeed(3)
    local expected = torch.rand(1)[1]
    torch.manualSeed(3)
    cuda.graph(function() return torch.rand(100, { device = 'cuda' }) end)
    assert.are.equal(expected, torch.rand(1)[1])
    fails('cannot be seeded', cuda.graph, function() torch.manualSeed(1) end)
    fails('default generator', cuda.graph, function()
      return torch.rand(torch.Generator(), 3, { device = 'cuda' })
    end)
    still_works()
  end)

  it('lets the host count along', function()
    local x, steps, seen = torch.zeros(2):cuda(), 0, {}
    local g = cuda.graph(function()
      assert.is_true(cuda.is_current_stream_capturing())
      steps = steps + 1
      x:add(1)
      cuda.on_replay(function(n)
        seen[#seen + 1] = n
        if n > 1 then steps = steps + 1 end
      end)
    end)
    assert.is_false(cuda.is_current_stream_capturing())
    assert.are.equal(1, steps)
    for _ = 1, 3 do g() end
    assert.are.equal(3, steps)
    assert.are.same({ 1, 2, 3 }, seen)
    fails('no graph is captured', cuda.on_replay, print)
  end)

  it('runs on the stream that is current', function()
    local x, s = torch.zeros(4):cuda(), cuda.Stream()
    local g = cuda.graph(function() x:add(1) end)
    cuda.stream(s, function() g() end)
    cuda.current_stream():wait_stream(s)
    g()
    assert.are.equal(8, x:cpu():sum())
  end)

  it('may be one of several', function()
    local x = torch.zeros(4):cuda()
    local all = {}
    for i = 1, 10 do all[i] = cuda.graph(function() x:add(i) end) end
    for i = 1, 10 do all[i]() end
    assert.are.equal(55, x[1])
  end)

  it('tells a recorded gradient that a value has changed', function()
    local x = torch.ones(3):cuda()
    local g = cuda.graph(function() x:add(1) end)
    local w = torch.ones(3):cuda()
    w.requires_grad = true
    local y = torch.cmul(w, x)
    g()
    fails('changed', y.backward, y, torch.ones(3):cuda())
  end)
end)

describe('what a graph cannot repeat', function()
  local x = torch.ones(4, { device = 'cuda' })

  it('is looking at values', function()
    fails('reading what the GPU has calculated is not possible while a graph is captured',
      cuda.graph, function() return x[1] end)
    fails('reading what', cuda.graph, function() return x:cpu() end)
    fails('reading what', cuda.graph, function() return torch.cdiv(x:int(), x:int()) end)
    still_works()
  end)

  it('is what comes from the host', function()
    fails('copying values of the host to the GPU', cuda.graph, function()
      return torch.randn(3):cuda()
    end)
    fails('copying values of the host', cuda.graph, function() x:copy(torch.randn(4)) end)
    still_works()
  end)

  it('is waiting', function()
    fails('waiting for the device', cuda.graph, cuda.synchronize)
    fails('waiting for a stream', cuda.graph, function() cuda.current_stream():synchronize() end)
    local e = cuda.Event()
    fails('recording an event', cuda.graph, function() e:record() end)
    fails('changing the stream', cuda.graph, function()
      cuda.stream(cuda.Stream(), function() x:add(1) end)
    end)
    fails('giving back memory', cuda.graph, cuda.empty_cache)
    still_works()
  end)

  it('is growing', function()
    local y = torch.ones(4, { device = 'cuda' })
    fails('a tensor that grows', cuda.graph, function() y:resize(10000) end)
    assert.are.equal(4, y:cpu():sum())
    still_works()
  end)

  it('is another graph', function()
    local g = cuda.graph(function() x:add(1) end)
    fails('replaying a graph', cuda.graph, function() g() end)
    fails('capturing a graph', cuda.graph, function() cuda.graph(function() x:add(1) end) end)
    still_works()
  end)

  it('is what the CPU does for want of a kernel', function()
    local missing
    for _, name in ipairs { 'svd', 'qr', 'ctc_loss', 'histc', 'unique' } do
      missing = missing or (torch[name] and name)
    end
    local before = cuda.detours()[missing] or 0
    local y = torch.randn(4, 4):cuda()
    if not pcall(torch[missing], y) or (cuda.detours()[missing] or 0) == before then return end
    fails('no CUDA kernel', cuda.graph, function() return torch[missing](y) end)
    still_works()
  end)

  it('is work of another device', function()
    if cuda.device_count() < 2 then return end
    local y = torch.ones(3, { device = 'cuda:1' })
    fails('a graph is captured on cuda:0, and cuda:1 cannot take part in it', cuda.graph,
      function() y:add(1) end)
    fails('between devices', cuda.graph, function() return x:cuda(2) end)
    still_works()
    local g = cuda.with_device(2, cuda.graph, function() y:add(1) end)
    g()
    assert.are.equal(6, y:cpu():sum())
  end)

  it('is an error of its own', function()
    fails('wrong', cuda.graph, function()
      x:add(1)
      error('wrong')
    end)
    still_works()
    fails('a function expected', cuda.graph, 1)
    fails('a function expected', cuda.graph, {})
    local e = setmetatable({}, { __tostring = function() return 'an object' end })
    local _, message = pcall(cuda.graph, function() error(e) end)
    assert.is_true(message == e)
  end)
end)

-- ---------------------------------------------------------------------------------------------
-- Training.

-- What has no kernel yet cannot be captured; then there is nothing to compare.
local function on_gpu_alone(f, ...)
  local function all()
    local n = 0
    for _, times in pairs(cuda.detours()) do n = n + times end
    return n
  end
  local before = all()
  f(...)
  return all() == before
end

describe('a captured training step', function()
  it('gives the weights that plain steps give', function()
    local function start()
      torch.manualSeed(1)
      local w = torch.randn(6, 5, { device = 'cuda' })
      w.requires_grad = true
      local velocity = torch.zeros(6, 5, { device = 'cuda' })
      local input, target = torch.zeros(6, 5, { device = 'cuda' }), torch.ones(6, 5):cuda()
      local one = torch.ones(6, 5):cuda()
      return {
        w = w,
        input = input,
        step = function()
          local noise = torch.rand(6, 5, { device = 'cuda' })
          local y = torch.tanh(torch.add(torch.cmul(w, input), 0.1, noise))
          local difference = torch.csub(y, target)
          torch.cmul(difference, difference):backward(one)
          torch.no_grad(function()
            velocity:mul(0.9):add(w.grad)
            w:add(-0.05, velocity)
            w.grad:zero()
          end)
          return y
        end,
      }
    end
    local batches = {}
    torch.manualSeed(2)
    for i = 1, 8 do batches[i] = torch.randn(6, 5):cuda() end

    local plain = start()
    for i = 1, 8 do
      plain.input:copy(batches[i])
      plain.step()
    end
    local captured = start()
    local g = cuda.graph(captured.step)
    local results
    for i = 1, 8 do
      captured.input:copy(batches[i])
      results = g()
    end
    assert.are.same(plain.w:detach():cpu():totable(), captured.w:detach():cpu():totable())
    assert.are.equal(30, results:nElement())
  end)

  it('is not the first one of an optimizer that keeps something', function()
    local w = torch.ones(3):cuda()
    w.requires_grad = true
    torch.mul(w, 2):backward(torch.ones(3):cuda())
    local optim = require 'optim'
    for _, optimizer in ipairs { optim.SGD({ w }, { momentum = 0.9 }), optim.Adam({ w }) } do
      fails('the first one cannot be captured', cuda.graph, function() optimizer:step() end)
      still_works()
    end
  end)

  it('of an optimizer that counts its steps goes on counting', function()
    local optim = require 'optim'
    local function start()
      torch.manualSeed(4)
      local w = torch.randn(7, { device = 'cuda' })
      w.requires_grad = true
      local adam = optim.Adam({ w }, { lr = 0.1 })
      return w, adam, function()
        torch.mul(w, 3):backward(torch.tanh(w:detach()))
        adam:step()
        w.grad:zero()
      end
    end
    local expected, other, step = start()
    if not on_gpu_alone(function() for _ = 1, 6 do step() end end) then return end
    local w, adam, again = start()
    again()
    local g = cuda.graph(again)
    for _ = 1, 3 do g() end
    again()
    again()
    assert.are.equal(other.state[1].t, adam.state[1].t)
    local apart = torch.csub(w:detach():cpu(), expected:detach():cpu()):abs():max()
    assert.is_true(apart < 1e-6, ('apart by %g'):format(apart))
  end)

  it('of a network of linear layers does, too', function()
    local function start()
      torch.manualSeed(1)
      local model = nn.Sequential():add(nn.Linear(12, 16)):add(nn.Tanh()):add(nn.Linear(16, 4))
      model:cuda()
      local criterion = nn.CrossEntropyCriterion():cuda()
      local sgd = require('optim').SGD(model:parameters(), { lr = 0.1, momentum = 0.9 })
      local input = torch.zeros(8, 12, { device = 'cuda' })
      local target = torch.ones(8, { dtype = 'int64', device = 'cuda' })
      return {
        model = model,
        input = input,
        target = target,
        step = function()
          local loss = criterion(model(input), target)
          sgd:zero_grad()
          loss:backward()
          sgd:step()
          return loss
        end,
      }
    end
    local inputs, targets = {}, {}
    torch.manualSeed(2)
    for i = 1, 6 do
      inputs[i], targets[i] = torch.randn(8, 12):cuda(), torch.randint(1, 4, { 8 }):long():cuda()
    end
    local plain = start()
    local complete = true
    for i = 1, 6 do
      plain.input:copy(inputs[i])
      plain.target:copy(targets[i])
      complete = on_gpu_alone(plain.step) and complete
    end
    if not complete then return end
    local captured = start()
    captured.input:copy(inputs[1])
    captured.target:copy(targets[1])
    captured.step() -- the first step makes what the optimizer keeps
    local g = cuda.graph(captured.step)
    for i = 2, 6 do
      captured.input:copy(inputs[i])
      captured.target:copy(targets[i])
      g()
    end
    local expected = plain.model:parameters()
    for k, w in ipairs((captured.model:parameters())) do
      local apart = torch.csub(w:detach():cpu(), expected[k]:detach():cpu()):abs():max()
      assert.is_true(apart < 1e-6, ('parameter %d is apart by %g'):format(k, apart))
    end
  end)
end)
