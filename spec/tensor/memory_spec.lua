-- Memory: freed when nothing uses it, and a Lua error when there is none.

-- What a graph holds of Lua goes a collection after the graph: specs before this one may have left
-- chains of them, so collect until nothing more goes.
local function settle()
  local last = torch.memory()
  while true do
    collectgarbage()
    collectgarbage()
    local now = torch.memory()
    if now.live == last.live and now.storages == last.storages then return now end
    last = now
  end
end

local function fails(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

describe('tensor memory', function()
  it('does not grow in a loop of training steps', function()
    local w = torch.randn(20, 10):mul(0.1)
    local b = torch.zeros(10)
    w.requires_grad, b.requires_grad = true, true
    local x, target = torch.randn(8, 20), torch.LongTensor {1, 2, 3, 4, 5, 6, 7, 8}
    local function step()
      local loss = torch.cross_entropy(torch.relu(torch.linear(x, w:t(), b)), target)
      if w.grad then
        w.grad:zero()
        b.grad:zero()
      end
      loss:backward()
      torch.no_grad(function()
        w:add(-0.01, w.grad)
        b:add(-0.01, b.grad)
      end)
      return loss:item()
    end
    local first = step()
    for _ = 1, 50 do step() end
    local before = settle()
    local most = 0
    for k = 1, 2000 do
      step()
      if k % 100 == 0 then most = math.max(most, torch.memory().live) end
    end
    local last = step()
    local after = settle()
    assert.is_true(last < first)
    assert.equal(before.live, after.live)
    assert.equal(before.storages, after.storages)
    assert.is_true(most < before.live + 64 * 2 ^ 20, 'garbage piled up: ' .. most)
  end)

  it('makes the collector run: garbage of any size stays bounded', function()
    local before = settle().live
    local most, heap = 0, collectgarbage('count')
    for k = 1, 400 do
      local x = torch.FloatTensor(2 ^ 22) -- luacheck: ignore
      -- The first collections still go by what was there before.
      if k > 100 then most = math.max(most, torch.memory().live - before) end
    end
    -- Half of what lives, or eight times Lua's own heap, may lie about; and the last result.
    heap = 1024 * math.max(heap, collectgarbage('count'))
    local bound = math.max(300 * 2 ^ 20, before / 2, 8 * heap) + 2 ^ 26
    assert.is_true(most < bound, ('%d bytes of garbage, heap %d'):format(most, heap))
    assert.is_true(bound < 300 * 2 ^ 24, 'this can tell nothing')
    assert.equal(before, settle().live)
  end)

  it('is freed when values sit in cycles', function()
    local before = settle()
    for _ = 1, 10 do
      local t = {x = torch.zeros(1000)}
      t.self, t.f = t, function() return t.x end
    end
    local after = settle()
    assert.equal(before.live, after.live)
    assert.equal(before.storages, after.storages)
  end)

  it('is freed after errors inside of operations', function()
    local x = torch.randn(10, 10)
    x.requires_grad = true
    local before = settle()
    for _ = 1, 200 do
      fails(torch.mm, x, torch.zeros(3, 3))
      fails(torch.add, x, torch.zeros(7))
      fails(torch.cat, {x, torch.zeros(3)}, 1)
      fails(torch.index, x, 1, torch.LongTensor {11})
      fails(torch.nll_loss, x, torch.LongTensor {1, 2, 3, 4, 5, 6, 7, 8, 9, 11})
      fails(function() return x[{{5, 3}}] end)
      fails(function() torch.square(x):backward() end)
    end
    assert.equal(before.live, settle().live)
  end)

  it('is freed with the graph', function()
    local x = torch.randn(100)
    x.requires_grad = true
    local before = settle()
    do
      local y = x
      for _ = 1, 100 do y = torch.exp(torch.mul(y, 0.001)) end
      local g = torch.grad(y:sum(), x, {create_graph = true})
      torch.grad(g:sum(), x, {retain_graph = true})
    end
    local after = settle()
    assert.equal(before.live, after.live)
    assert.equal(before.storages, after.storages)
  end)

  it('is freed when a gradient written in Lua holds tensors', function()
    local x = torch.randn(100)
    x.requires_grad = true
    x.grad = torch.zeros(100)
    local before = settle()
    for _ = 1, 20 do
      local y = torch.no_grad(function() return torch.square(x) end)
      torch.record(function(dy) return torch.cmul(dy, y:detach()) end, {x}, {y})
      y:sum():backward()
      y = torch.no_grad(function() return torch.square(x) end)
      torch.record(function(dy) return dy end, {x}, {y})
    end
    assert.equal(before.live, settle().live)
  end)

  it('of views keeps the storage', function()
    local v
    do
      local x = torch.range(1, 1000)
      v = x:narrow(1, 500, 2)
    end
    settle()
    torch.zeros(1000):fill(7)
    assert.same({500, 501}, v:totable())
  end)
end)

describe('too large a tensor', function()
  it('is an error that says how much was asked for', function()
    local message = fails(torch.randn, 1e6, 1e6)
    assert.matches('randn', message)
    assert.matches('memory', message)
    assert.matches('3814697%.3 MiB', message)
    assert.equal(3, torch.ones(3):sum())
  end)

  it('is one for sizes that no machine can hold', function()
    for _, sizes in ipairs {{2 ^ 40, 2 ^ 40}, {2 ^ 62, 4}, {1e9, 1e9, 1e9}} do
      local message = fails(torch.zeros, (table.unpack or unpack)(sizes))
      assert.matches('zeros', message)
    end
    fails(torch.zeros, -1)
    fails(torch.zeros, 2.5)
    fails(torch.zeros, 0 / 0)
    fails(torch.zeros, 1, 1, 1, 1, 1, 1, 1, 1, 1)
  end)

  it('is one in the middle of other operations', function()
    local column = torch.zeros(2 ^ 22, 1)
    local message = fails(torch.add, column, torch.zeros(1, 2 ^ 22))
    assert.matches('^[^ ]*:?%d*:? ?add: ', message)
    assert.matches('67108864%.0 MiB', message)
    message = fails(torch.ger, torch.zeros(2 ^ 22), torch.zeros(2 ^ 22))
    assert.matches('ger', message)
    message = fails(function() return torch.zeros(3):repeatTensor(2 ^ 45) end)
    assert.matches('repeatTensor', message)
    message = fails(function() return torch.zeros(3):resize(2 ^ 45) end)
    assert.matches('memory', message)
    message = fails(torch.range, 1, 2 ^ 45)
    assert.matches('range', message)
  end)
end)

describe('torch.memory', function()
  it('counts what is live', function()
    local before = settle().live
    local x = torch.zeros(2 ^ 18)
    local during = torch.memory()
    assert.is_true(during.live >= before + 2 ^ 20 and during.live < before + 2 ^ 20 + 4096)
    assert.is_true(during.peak >= during.live)
    x:zero()
    x = nil -- luacheck: ignore
    assert.equal(before, settle().live)
  end)
end)
