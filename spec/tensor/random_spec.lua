-- Random numbers: their moments, and that a seed gives the same ones again.
local function moments(x)
  local mean = x:mean()
  return mean, torch.square(x - mean):mean()
end

local function near(expected, got, tolerance, what)
  assert.is_true(math.abs(expected - got) <= tolerance,
    ('%s: %g expected, got %g'):format(what, expected, got))
end

before_each(function() torch.manualSeed(123) end)

describe('distributions', function()
  local n = 200000
  for _, dtype in ipairs {'float32', 'float64', 'float16'} do
    it('have their moments in ' .. dtype, function()
      local x = torch.zeros(n):to(dtype)
      local function of(fill, mean, variance, what)
        fill()
        local m, v = moments(x:double())
        near(mean, m, 6 * math.sqrt(variance / n) + 1e-3, what .. ' mean')
        near(variance, v, 0.03 * variance, what .. ' variance')
      end
      of(function() x:uniform() end, 0.5, 1 / 12, 'uniform')
      of(function() x:uniform(-3, 5) end, 1, 64 / 12, 'uniform(-3, 5)')
      of(function() x:normal() end, 0, 1, 'normal')
      of(function() x:normal(2, 3) end, 2, 9, 'normal(2, 3)')
      of(function() x:exponential(2) end, 0.5, 0.25, 'exponential(2)')
      of(function() x:bernoulli(0.3) end, 0.3, 0.21, 'bernoulli(0.3)')
      of(function() x:random(1, 6) end, 3.5, 35 / 12, 'random(1, 6)')
    end)
  end

  it('of whole numbers stay inside', function()
    local x = torch.LongTensor(10000):random(3, 7)
    assert.equal(3, x:min())
    assert.equal(7, x:max())
    x = torch.ByteTensor(10000):random(5)
    assert.equal(1, x:min())
    assert.equal(5, x:max())
    local u = torch.rand(100000)
    assert.is_true(u:min() >= 0 and u:max() < 1)
  end)

  it('bernoulli takes a probability for each element', function()
    local p = torch.Tensor {0, 1, 0, 1}
    assert.same({0, 1, 0, 1}, torch.Tensor(4):bernoulli(p):totable())
  end)

  it('multinomial draws by weight, without repeating unless asked to', function()
    local p = torch.Tensor {0, 3, 0, 1}
    local drawn = torch.multinomial(p, 10000, true)
    assert.equal('torch.LongTensor', drawn:type())
    local twos = torch.eq(drawn, 2):sum()
    assert.equal(10000, twos + torch.eq(drawn, 4):sum())
    near(7500, twos, 300, 'draws of the heavier one')
    local both = torch.multinomial(p, 2)
    assert.equal(6, both:sum())
    assert.has_error(function() torch.multinomial(p, 3) end)
    assert.has_error(function() torch.multinomial(torch.Tensor {-1, 2}, 1) end)
    assert.has_error(function() torch.multinomial(torch.Tensor {0, 0}, 1) end)
    assert.has_error(function() torch.multinomial(torch.Tensor {0 / 0, 1}, 1) end)
  end)

  it('randperm is a permutation', function()
    local p = torch.randperm(1000)
    local sorted = p:sort()
    assert.is_true(torch.equal(torch.range(1, 1000), sorted))
    assert.is_false(torch.equal(p, sorted))
    assert.equal(0, torch.randperm(0):nElement())
    -- each of the 6 orders of 3 comes up
    local seen = {}
    for _ = 1, 200 do seen[table.concat(torch.randperm(3):totable(), ',')] = true end
    local count = 0
    for _ in pairs(seen) do count = count + 1 end
    assert.equal(6, count)
  end)

  it('dropout keeps the mean', function()
    local x = torch.ones(100000)
    local y = torch.dropout(x, 0.25)
    near(1, y:mean(), 0.02, 'mean')
    near(0.25, torch.eq(y, 0):double():mean(), 0.01, 'share of zeros')
    assert.near(4 / 3, y:max(), 1e-6)
    assert.has_error(function() torch.dropout(x, 1) end)
    assert.has_error(function() torch.dropout(x, -0.1) end)
    assert.has_error(function() torch.dropout(x, 0 / 0) end)
  end)

  it('without a tensor give one number', function()
    for _ = 1, 100 do
      local u, r = torch.uniform(2, 3), torch.random(4)
      assert.is_true(u >= 2 and u < 3)
      assert.is_true(r >= 1 and r <= 4 and r % 1 == 0)
    end
    assert.equal('number', type(torch.normal()))
    assert.equal('number', type(torch.exponential(2)))
  end)

  it('refuse what has no meaning', function()
    local x = torch.zeros(3)
    assert.has_error(function() x:normal(0, -1) end)
    assert.has_error(function() x:exponential(0) end)
    assert.has_error(function() x:bernoulli(2) end)
    assert.has_error(function() x:random(5, 2) end)
  end)
end)

describe('a seed', function()
  it('gives the same numbers again', function()
    torch.manualSeed(5)
    local a, b = torch.randn(100), torch.rand(7)
    torch.manualSeed(5)
    assert.is_true(torch.equal(a, torch.randn(100)))
    assert.is_true(torch.equal(b, torch.rand(7)))
    torch.manualSeed(6)
    assert.is_false(torch.equal(a, torch.randn(100)))
    assert.equal(6, torch.initialSeed())
  end)

  it('does so for any number of threads', function()
    local before = torch.getnumthreads()
    for _, make in ipairs {torch.randn, torch.rand, torch.randperm} do
      local first
      for _, threads in ipairs {1, 2, 3} do
        torch.setnumthreads(threads)
        torch.manualSeed(11)
        local x = make(100003)
        first = first or x
        assert.is_true(torch.equal(first, x))
      end
    end
    torch.setnumthreads(before)
  end)

  it('gives strided tensors the same numbers as contiguous ones', function()
    torch.manualSeed(9)
    local a = torch.zeros(20, 30):uniform()
    torch.manualSeed(9)
    local b = torch.zeros(30, 20):t():uniform()
    assert.is_true(torch.equal(a, b))
  end)

  it('and its state can be kept', function()
    torch.randn(17)
    local state = torch.getRNGState()
    local a = torch.randn(50)
    torch.setRNGState(state)
    assert.is_true(torch.equal(a, torch.randn(50)))
    assert.has_error(function() torch.setRNGState(torch.zeros(3)) end)
    assert.has_error(function() torch.setRNGState('x') end)
  end)
end)
