-- Memory of the GPU: blocks that are cached, cut and joined, what the statistics say of them, and
-- memory of the host that the GPU reaches by itself.
local torch = require 'torch'

local cuda = torch.cuda
if not cuda.is_available() then return end

local emulated = cuda.get_device_name() == 'emulated on the CPU'
local program = require('spec.vm.program')

local MIB = 1024 * 1024

-- All garbage gone, and nothing cached.
local function clean()
  collectgarbage()
  collectgarbage()
  cuda.empty_cache()
end

local function on_gpu(bytes) return torch.ByteTensor(bytes):zero():cuda() end

-- What `script` prints with these failures asked for.
local function with(failures, script)
  local file = program.script("local torch = require 'torch'\n" .. script)
  local output, status = program.shell(('MOONLET_EMULATED=%s %s %s'):format(
    program.quote(failures), program.path, file))
  os.remove(file)
  return output, status
end

describe('memory of the GPU', function()
  before_each(clean)

  it('is counted', function()
    local before = cuda.memory_allocated()
    local x = on_gpu(3 * MIB)
    assert.are.equal(before + 3 * MIB, cuda.memory_allocated())
    local y = on_gpu(1)
    assert.are.equal(before + 3 * MIB + 512, cuda.memory_allocated())
    assert.is_true(cuda.memory_reserved() >= cuda.memory_allocated())
    x, y = nil, x and y and nil
    collectgarbage()
    collectgarbage()
    assert.are.equal(before, cuda.memory_allocated())
    assert.is_true(cuda.max_memory_allocated() >= before + 3 * MIB + 512)
    cuda.reset_peak_memory_stats()
    assert.are.equal(before, cuda.max_memory_allocated())
    assert.is_nil(x or y)
  end)

  it('is used again, and given back when that is asked for', function()
    local function round()
      local x = on_gpu(5 * MIB)
      local y = torch.ones(1000, { device = 'cuda' })
      return x:size(1) + y:size(1)
    end
    round()
    collectgarbage()
    collectgarbage()
    local stats = cuda.memory_stats()
    for _ = 1, 20 do
      round()
      collectgarbage()
      collectgarbage()
    end
    local now = cuda.memory_stats()
    assert.are.equal(stats['segment.all.allocated'], now['segment.all.allocated'])
    assert.is_true(now['allocation.all.allocated'] >= stats['allocation.all.allocated'] + 40)
    local reserved = cuda.memory_reserved()
    assert.is_true(reserved >= 5 * MIB)
    cuda.empty_cache()
    assert.is_true(cuda.memory_reserved() < reserved)
  end)

  it('blocks of all sizes keep their values', function()
    local live, seed = {}, 1
    local function random(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return math.floor(seed / 65536) % n + 1
    end
    local sizes = { 100, 1000, 5000, 70000, 600000 }
    for round = 1, 400 do
      local k = random(24)
      if live[k] then
        local x, value = live[k].x, live[k].value
        assert.are.equal(value, x[1])
        assert.are.equal(value, x[x:nElement()])
        assert.are.equal(value, x[math.floor(x:nElement() / 2) + 1])
        live[k] = nil
        if round % 5 == 0 then collectgarbage() end
      else
        local x = torch.Tensor(random(sizes[random(#sizes)])):cuda()
        x:fill(round)
        live[k] = { x = x, value = round }
      end
    end
    for _, one in pairs(live) do
      assert.are.equal(one.value * one.x:nElement(), one.x:cpu():double():sum())
    end
  end)

  it('freed neighbours are joined', function()
    local function fill()
      local parts = {}
      for i = 1, 16 do parts[i] = on_gpu(1.25 * MIB) end
      return #parts, cuda.memory_stats()
    end
    local _, stats = fill()
    collectgarbage()
    collectgarbage()
    local whole = on_gpu(19 * MIB)
    assert.are.equal(19 * MIB, whole:nElement())
    assert.are.equal(stats['segment.all.allocated'],
      cuda.memory_stats()['segment.all.allocated'])
  end)

  it('a summary says it in words', function()
    local x = on_gpu(2 * MIB)
    local text = cuda.memory_summary()
    assert.is_truthy(text:find('in use by tensors +2%.0 MiB'), text)
    assert.are.equal(2 * MIB, x:nElement())
    local free, all = cuda.mem_get_info()
    assert.is_true(free > 0 and free <= all)
  end)

  it('a storage grows', function()
    local x = torch.range(1, 1000):cuda()
    x:resize(400000)
    assert.are.same(torch.range(1, 1000):totable(), x:narrow(1, 1, 1000):cpu():totable())
  end)

  if not emulated then return end

  it('that runs out is an error with the numbers, and what was there is usable', function()
    local output, status = with('memory=64', [[
      local live = {}
      print(pcall(function()
        for i = 1, 100 do live[i] = torch.zeros(1024 * 1024, {device = 'cuda'}) end
      end))
      print(#live, live[1]:cpu():sum())
      live = nil
      print(torch.zeros(12 * 1024 * 1024, {device = 'cuda'}):nElement())]])
    assert.are.equal(0, status, output)
    assert.is_truthy(output:find('zeros: not enough memory on cuda:0 for 4.0 MiB: 64.0 MiB are in '
      .. "use by tensors, 0.0 MiB are cached, and 0.0 of the device's 64.0 MiB are free", 1, true),
      output)
    assert.is_truthy(output:find('16\t0', 1, true), output)
    assert.is_truthy(output:find('12582912', 1, true), output)
  end)

  it("that runs out makes Lua's garbage go, and what is cached", function()
    local output, status = with('memory=60', [[
      local live = torch.zeros(58 * 1048576, {dtype = 'uint8', device = 'cuda'})
      for i = 1, 30 do torch.zeros(3 * 131072, {device = 'cuda'}) end
      print('done', torch.cuda.memory_stats().num_ooms > 0, live:nElement())]])
    assert.are.equal(0, status, output)
    assert.is_truthy(output:find('done\ttrue', 1, true), output)
  end)

  it('that runs out in a backward pass makes garbage go, too', function()
    local output, status = with('memory=60', [[
      local n = 1048576
      local x = torch.ones(n, {device = 'cuda'})
      x.requires_grad = true
      local live = torch.zeros(30 * n, {dtype = 'uint8', device = 'cuda'})
      local y = torch.mul(torch.exp(torch.mul(x, 0.5)), 2)
      local seed = torch.ones(n, {device = 'cuda'})
      do
        local garbage = torch.zeros(1.5 * n, {dtype = 'uint8', device = 'cuda'})
        garbage = nil
      end
      local all = {}
      pcall(function()
        for i = 1, 20 do all[i] = torch.zeros(n, {dtype = 'uint8', device = 'cuda'}) end
      end)
      local before = torch.cuda.memory_stats().num_ooms
      all = nil
      y:backward(seed)
      print('done', torch.cuda.memory_stats().num_ooms > before, x.grad:cpu():sum() > n,
        live:nElement() / n)]])
    assert.are.equal(0, status, output)
    assert.is_truthy(output:find('done\ttrue\ttrue\t30', 1, true), output)
  end)

  it('a refusal of the driver is tried again', function()
    local output = with('malloc=2', [[
      local x = torch.zeros(3, {device = 'cuda'})
      local y = torch.ones(1000000, {device = 'cuda'})
      print(x:nElement() + y:nElement(), torch.cuda.memory_stats().num_alloc_retries)]])
    assert.is_truthy(output:find('1000003\t1', 1, true), output)
  end)

  it('that another stream still uses is not handed out', function()
    local output, status = with('late=1', [[
      local cuda = torch.cuda
      local s = cuda.Stream()
      local x = torch.ones(1000, {device = 'cuda'})
      cuda.stream(s, function() return torch.add(x, 1) end)
      local before = cuda.memory_stats()['segment.all.allocated']
      x = nil
      collectgarbage() collectgarbage()
      local taken = {}
      for i = 1, 600 do taken[i] = torch.ones(1000, {device = 'cuda'}) end
      print('segments', cuda.memory_stats()['segment.all.allocated'] - before)
      cuda.empty_cache()
      print('ok')]])
    assert.are.equal(0, status, output)
    assert.is_truthy(output:find('ok', 1, true), output)
  end)
end)

describe('pinned memory', function()
  it('holds the same values', function()
    local x = torch.randn(3, 4)
    local p = x:pin_memory()
    assert.is_true(p:is_pinned())
    assert.is_false(x:is_pinned())
    assert.is_true(p:pin_memory() == p)
    assert.are.same(x:totable(), p:totable())
    assert.are.same(x:t():totable(), x:t():pin_memory():totable())
    assert.is_false(p:clone():is_pinned())
    assert.are.equal(0, torch.Tensor():pin_memory():nElement())
  end)

  it('goes there and comes back without waiting', function()
    local p = torch.range(1, 100):pin_memory()
    local g = p:cuda { non_blocking = true }
    local h = g:to('cpu', { non_blocking = true })
    assert.is_true(h:is_pinned())
    cuda.synchronize()
    assert.are.same(p:totable(), h:totable())
    local d = p:to('cuda', 'float64', { non_blocking = true })
    assert.are.equal('torch.DoubleTensor', d:cpu():type())
    assert.are.equal(5050, d:cpu():sum())
    local q = torch.zeros(100):pin_memory()
    q:copyAsync(g)
    cuda.current_stream():synchronize()
    assert.are.same(p:totable(), q:totable())
    g:copyAsync(torch.zeros(100):pin_memory())
    assert.are.equal(0, g:cpu():sum())
    assert.are.equal(100, torch.ones(100):cuda { non_blocking = true }:cpu():sum())
  end)

  it('is of the host only', function()
    local _, message = pcall(torch.ones(3):cuda().pin_memory, torch.ones(3):cuda())
    assert.is_truthy(message:find('pin_memory: this tensor is on cuda:0', 1, true), message)
  end)

  it('a gradient finds its way through', function()
    local x = torch.ones(4)
    x.requires_grad = true
    local y = torch.mul(x:cuda { non_blocking = true }, 3)
    y:backward(torch.ones(4):cuda())
    assert.are.same({ 3, 3, 3, 3 }, x.grad:totable())
  end)
end)
