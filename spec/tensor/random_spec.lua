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

describe('a generator', function()
  local fills = {
    uniform = {1, 2}, normal = {1, 2}, cauchy = {1, 2}, logNormal = {1, 0.5}, exponential = {2},
    geometric = {0.4}, bernoulli = {0.3}, random = {3, 9},
  }

  it('may come first wherever numbers are drawn', function()
    local gen = torch.Generator()
    local function same(f)
      gen:manualSeed(77)
      local a = f(gen)
      local offset = torch.getRNGState()
      gen:manualSeed(77)
      local b = f(gen)
      assert.same(torch.isTensor(a) and a:totable() or a, torch.isTensor(b) and b:totable() or b)
      assert.is_true(torch.equal(offset, torch.getRNGState()), 'the default one was used')
    end
    for name, args in pairs(fills) do
      local unpack = table.unpack or unpack
      same(function(g) return torch[name](g, unpack(args)) end)
      same(function(g) return torch.zeros(9)[name](torch.zeros(9), g, unpack(args)) end)
      same(function(g) return torch[name](torch.zeros(9), g, unpack(args)) end)
    end
    same(function(g) return torch.rand(g, 2, 3) end)
    same(function(g) return torch.randn(2, 3, {generator = g}) end)
    same(function(g) return torch.randn(torch.zeros(5), g, 2, 3) end)
    same(function(g) return torch.zeros(5):rand(g, 2) end)
    same(function(g) return torch.randperm(g, 9) end)
    same(function(g) return torch.randperm(9, {generator = g, dtype = 'int64'}) end)
    same(function(g) return torch.randint(g, 9, {5}) end)
    same(function(g) return torch.randint(1, 9, 5, {generator = g}) end)
    same(function(g) return torch.randint_like(g, torch.zeros(5), 4) end)
    same(function(g) return torch.rand_like(torch.zeros(5), {generator = g}) end)
    same(function(g) return torch.multinomial(g, torch.ones(5), 3) end)
    same(function(g) return torch.ones(5):multinomial(g, 3) end)
    same(function(g) return torch.multinomial(torch.LongTensor(), g, torch.ones(5), 3, true) end)
    same(function(g) return torch.bernoulli(g, torch.zeros(9):fill(0.5)) end)
    same(function(g) return torch.zeros(9):bernoulli(g, torch.zeros(9):fill(0.5)) end)
    same(function(g) return torch.normal(torch.zeros(5), torch.ones(5), g) end)
    same(function(g) return torch.normal(g, 0, 1, {5}) end)
    same(function(g) return torch.poisson(torch.ones(9), g) end)
    same(function(g) return torch.dropout(torch.ones(9), 0.5, g) end)
    same(function(g) return torch.dropout(torch.ones(9), {generator = g}) end)
  end)

  it('has a state that can be saved and set under way', function()
    local gen = torch.Generator():manual_seed(5)
    for _, make in ipairs {torch.randn, torch.rand, torch.randperm} do
      make(gen, 3) -- an odd number: nothing may be left over
      local state = gen:getRNGState()
      assert.equal('torch.ByteTensor', state:type())
      local a = make(gen, 7)
      torch.setRNGState(gen, state)
      assert.is_true(torch.equal(a, make(gen, 7)))
      gen:set_state(state)
      assert.is_true(torch.equal(a, make(gen, 7)))
    end
    local copy = torch.deserialize(torch.serialize(gen))
    assert.equal('torch.Generator', torch.type(copy))
    assert.is_true(torch.equal(torch.randn(gen, 9), torch.randn(copy, 9)))
    local both = torch.deserialize(torch.serialize {gen, gen})
    assert.is_true(rawequal(both[1], both[2]))
  end)

  it('is seeded by whole numbers of 64 bits', function()
    local gen = torch.Generator()
    gen:manualSeed(-1)
    local a = torch.rand(gen, 3)
    gen:manualSeed(2 ^ 53)
    assert.equal(2 ^ 53, gen:initialSeed())
    assert.is_false(torch.equal(a, torch.rand(gen, 3)))
    local seed = gen:seed()
    a = torch.rand(gen, 3)
    gen:manualSeed(seed)
    assert.is_true(torch.equal(a, torch.rand(gen, 3)))
    for _, wrong in ipairs {0 / 0, 1e300, -1e300, 'x', {}} do
      assert.has_error(function() gen:manualSeed(wrong) end)
    end
    torch.manualSeed(torch._gen, 9)
    assert.equal(9, torch.initialSeed())
    assert.equal('torch.Generator', tostring(gen))
  end)

  it('is refused in another place, and nothing else is one', function()
    assert.has_error(function() torch.rand(3, torch.Generator()) end)
    assert.has_error(function() torch.rand(3, {generator = 5}) end)
    assert.has_error(function() torch.uniform({generator = io.stdout}) end)
    assert.has_error(function() torch.getRNGState(5, 5):foo() end)
    assert.has_error(function() torch.setRNGState(torch.Generator(), torch.zeros(16)) end)
    assert.has_error(function() torch.setRNGState(torch.ByteTensor(15)) end)
  end)

  it('lives as long as a call that uses it', function()
    for _ = 1, 200 do
      torch.randn(100, {generator = torch.Generator()})
      torch.rand(torch.Generator(), 100)
    end
    collectgarbage()
  end)
end)

describe('threads do not matter', function()
  local n = 70001
  local makes = {
    uniform64 = function() return torch.DoubleTensor(n):uniform() end,
    normal64 = function() return torch.DoubleTensor(n):normal() end,
    half = function() return torch.HalfTensor(n):normal() end,
    exponential = function() return torch.zeros(n):exponential(1) end,
    logNormal = function() return torch.zeros(n):logNormal() end,
    cauchy = function() return torch.zeros(n):cauchy() end,
    geometric = function() return torch.IntTensor(n):geometric(0.1) end,
    bernoulli = function() return torch.zeros(n):bernoulli(0.3) end,
    random = function() return torch.LongTensor(n):random(1000) end,
    multinomial = function() return torch.multinomial(torch.ones(100), n, true) end,
    alias = function()
      return torch.multinomialAlias(torch.LongTensor(n), torch.multinomialAliasSetup(torch.ones(9)))
    end,
    poisson = function() return torch.poisson(torch.zeros(n):fill(20)) end,
    gamma = function() return torch.standard_gamma(torch.zeros(n):fill(0.7)) end,
    dropout = function() return torch.dropout(torch.ones(n), 0.5) end,
  }
  for name, make in pairs(makes) do
    it('to ' .. name, function()
      local before, first = torch.getnumthreads(), nil
      for _, threads in ipairs {1, 2, 4} do
        torch.setnumthreads(threads)
        torch.manualSeed(3)
        local x, after = make(), torch.uniform()
        first = first or {x, after}
        assert.is_true(torch.equal(first[1], x))
        assert.equal(first[2], after)
      end
      torch.setnumthreads(before)
    end)
  end
end)

describe('functions of PyTorch', function()
  it('draw around tensors of parameters', function()
    local mean = torch.range(1, 5):mul(100):requiresGrad()
    local deviation = torch.Tensor {0.1, 0.1, 0.1, 0.1, 0}
    local x = torch.normal(mean, deviation)
    assert.is_true((x - mean):abs():max():item() < 1)
    assert.equal(500, x[5]:item())
    x:sum():backward()
    assert.same({1, 1, 1, 1, 1}, mean.grad:totable())
    assert.same({2, 3}, torch.normal(torch.zeros(2, 1), torch.ones(3)):size():totable())
    assert.same({4}, torch.normal(2, 0, {4}):size():totable())
    assert.same({2, 2}, torch.normal(2, torch.zeros(2)):totable())
    assert.has_error(function() torch.normal(0, torch.Tensor {-1}) end)
    local p = torch.Tensor {0, 1, 1, 0}
    local b = torch.bernoulli(p)
    assert.same({0, 1, 1, 0}, b:totable())
    assert.is_false(torch.isequal(p, b))
  end)

  it('randint leaves the options as they are', function()
    local options = {requires_grad = false}
    assert.are.equal('int64', torch.randint(9, {2}, options).dtype)
    assert.are.same({requires_grad = false}, options)
  end)

  it('randint leaves out the upper bound, and gives int64', function()
    local x = torch.randint(0, 3, {1000})
    assert.equal('torch.LongTensor', x:type())
    assert.equal(0, x:min())
    assert.equal(2, x:max())
    assert.equal(4, torch.randint(4, 5, 2, 3):sum() / 6)
    assert.equal('torch.FloatTensor', torch.randint(3, {2}, {dtype = 'float32'}):type())
    assert.equal('torch.ByteTensor', torch.randint(3, {2}, 'torch.ByteTensor'):type())
    local like = torch.randint_like(torch.zeros(50), 2, 4)
    assert.equal('torch.FloatTensor', like:type())
    assert.is_true(like:min() >= 2 and like:max() <= 3)
    for _, args in ipairs {{}, {3}, {3, 3, {1}}, {0 / 0, {1}}, {1, 'x'}, {torch.zeros(1)}} do
      assert.has_error(function() torch.randint((table.unpack or unpack)(args)) end)
    end
  end)
end)
