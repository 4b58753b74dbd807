-- Distributions against their exact forms: Kolmogorov and Smirnov's distance, chi-square, tails.
-- Seeds are fixed, and bounds lie where chance would lead once in a million runs.
local torch = require 'torch'

local function sorted_values(x)
  return x:double():sort()
end

-- The largest distance between the distribution of the values and `cdf`.
local function ks_distance(x, cdf)
  local values = sorted_values(x):totable()
  local n, distance = #values, 0
  for k = 1, n do
    local p = cdf(values[k])
    distance = math.max(distance, p - (k - 1) / n, k / n - p)
  end
  return distance
end

local function follows(x, cdf)
  local distance, n = ks_distance(x, cdf), x:nElement()
  assert.is_true(distance * math.sqrt(n) < 2.7, 'distance * sqrt(n) = ' .. distance * math.sqrt(n))
end

-- Chi-square of whole numbers 0, 1, ... against probabilities, and its degrees; more than
-- the last are in one bin, and so are neighbours that are too rare.
local function chi_square(x, probabilities)
  local counts, n = {}, x:nElement()
  for k = 1, #probabilities do counts[k] = 0 end
  for _, v in ipairs(x:double():totable()) do
    local k = math.min(v + 1, #probabilities)
    counts[k] = counts[k] + 1 -- fails for what is no index
  end
  local sum, bins, seen, expected = 0, 0, 0, 0
  for k, p in ipairs(probabilities) do
    seen, expected = seen + counts[k], expected + n * p
    if expected >= 5 then
      sum, bins = sum + (seen - expected) ^ 2 / expected, bins + 1
      seen, expected = 0, 0
    end
  end
  return sum, bins - 1
end

local function counts_as(x, probabilities)
  local chi, degrees = chi_square(x, probabilities)
  local bound = degrees + 5 * math.sqrt(2 * degrees) + 12
  assert.is_true(chi < bound, ('chi-square %g of %d degrees'):format(chi, degrees))
end

-- With the rest in the last bin.
local function closed(list)
  local rest = 1
  for k = 1, #list do rest = rest - list[k] end
  list[#list + 1] = rest
  return list
end

local function erf(x) -- Abramowitz and Stegun 7.1.5, enough for |x| < 4
  local sum, term = 0, x
  for k = 0, 80 do
    sum = sum + term / (2 * k + 1)
    term = -term * x * x / (k + 1)
  end
  return 2 / math.sqrt(math.pi) * sum
end

local function normal_cdf(x)
  if x > 5 then return 1 elseif x < -5 then return 0 end
  return 0.5 + 0.5 * erf(x / math.sqrt(2))
end

local N = 30000
local new = {
  float32 = function(n) return torch.FloatTensor(n) end,
  float64 = function(n) return torch.DoubleTensor(n) end,
}

before_each(function() torch.manualSeed(42) end)

for dtype, make in pairs(new) do
  describe('in ' .. dtype .. ' numbers follow', function()
    it('the uniform distribution', function()
      follows(make(N):uniform(), function(x) return x end)
      follows(make(N):uniform(-2, 6), function(x) return (x + 2) / 8 end)
    end)

    it('the normal distribution, each of a pair and both together', function()
      local x = make(N):normal()
      follows(x, normal_cdf)
      follows(make(N):normal(3, 0.5), function(v) return normal_cdf((v - 3) / 0.5) end)
      local pairs_of = x:view(-1, 2)
      local a, b = pairs_of:select(2, 1), pairs_of:select(2, 2)
      assert.is_true(math.abs(torch.cmul(a, b):mean()) < 5 / math.sqrt(N / 2))
      follows(torch.cmul(a, a) + torch.cmul(b, b), function(v) return 1 - math.exp(-v / 2) end)
    end)

    it('the exponential, Cauchy\'s and the log-normal one', function()
      follows(make(N):exponential(3), function(x) return 1 - math.exp(-3 * x) end)
      follows(make(N):cauchy(1, 2), function(x) return 0.5 + math.atan((x - 1) / 2) / math.pi end)
      follows(make(N):logNormal(0.5, 0.7), function(x)
        return normal_cdf((math.log(x) - 0.5) / 0.7)
      end)
    end)

    it('the geometric one', function()
      local p, list = 0.6, {}
      for k = 1, 12 do list[k] = (1 - p) * p ^ (k - 1) end
      counts_as(make(N):geometric(p) - 1, closed(list))
    end)

    it('the gamma distribution', function()
      follows(torch.standard_gamma(make(N):fill(1)), function(x) return 1 - math.exp(-x) end)
      -- of shape 1/2: half the square of a normal number
      follows(torch.standard_gamma(make(N):fill(0.5)), function(x)
        return 2 * normal_cdf(math.sqrt(2 * x)) - 1
      end)
      follows(torch.standard_gamma(make(N):fill(3)), function(x)
        return 1 - math.exp(-x) * (1 + x + x * x / 2)
      end)
    end)
  end)
end

describe('tails', function()
  it('of normal numbers are long enough', function()
    for _, make in pairs(new) do
      local x, expected = make(1000000):normal(), 1000000 * 6.3342e-5
      local beyond = torch.gt(torch.abs(x), 4):double():sum()
      assert.is_true(math.abs(beyond - expected) < 5 * math.sqrt(expected), 'beyond 4: ' .. beyond)
    end
  end)

  it('never reach the end of a range, whatever the type', function()
    for _, dtype in ipairs {'float16', 'bfloat16', 'float32', 'float64'} do
      for _, range in ipairs {{0, 1}, {1, 2}, {-1, 0}, {-3, -2}, {0, 0.1}, {-5, 100}} do
        local x = torch.zeros(100000):to(dtype):uniform(range[1], range[2]):double()
        assert.is_true(x:max() < range[2], dtype .. ' up to ' .. range[2])
        assert.is_true(x:min() >= range[1] - 1e-2)
      end
    end
    assert.same({3, 3}, torch.zeros(2):uniform(3, 3):totable())
    local x = torch.zeros(1000):uniform(5, 2) -- either way round
    assert.is_true(x:min() >= 2 and x:max() < 5)
  end)

  it('of 53-bit numbers are fine', function()
    local x = torch.DoubleTensor(1000):uniform()
    local coarse = torch.eq(x, torch.floor(x * 2 ^ 40) / 2 ^ 40):double():sum()
    assert.is_true(coarse < 10)
  end)
end)

describe('whole numbers', function()
  it('are even in every type', function()
    local even = {}
    for k = 1, 50 do even[k] = 1 / 50 end
    for _, kind in ipairs {'Byte', 'Char', 'Short', 'Int', 'Long', 'Half', 'Float', 'Double'} do
      counts_as(torch[kind .. 'Tensor'](N):random(50):double() - 1, even)
    end
    counts_as(torch.randint(3, 53, N) - 3, even)
  end)

  it('reach both ends of a range, however long', function()
    local x = torch.LongTensor(10000):random(-2 ^ 62, 2 ^ 62):double()
    assert.is_true(x:min() < -0.99 * 2 ^ 62 and x:max() > 0.99 * 2 ^ 62)
    assert.is_true(math.abs(x:mean()) < 2 ^ 62 * 0.05)
    local bytes = torch.ByteTensor(20000):random()
    assert.equal(0, bytes:min())
    assert.equal(255, bytes:max())
    assert.same({5, 5}, torch.IntTensor(2):random(5, 5):totable())
  end)

  it('refuse what a type cannot hold', function()
    assert.error_matches(function() torch.ByteTensor(3):random(0, 256) end, 'do not fit into uint8')
    assert.error_matches(function() torch.LongTensor(3):random(0, 1e30) end, 'do not fit')
    assert.error_matches(function() torch.LongTensor(3):random(0, 0 / 0) end, 'no integers')
    assert.error_matches(function() torch.randperm(256, 'torch.ByteTensor') end, 'cannot hold')
    assert.error_matches(function() torch.zeros(2):uniform(0, 1 / 0) end, 'no numbers can be drawn')
    assert.error_matches(function() torch.zeros(2):uniform(0, 0 / 0) end, 'no numbers can be drawn')
    assert.error_matches(function() torch.zeros(2):geometric(1) end, 'between 0 and 1')
    assert.error_matches(function() torch.zeros(2):cauchy(0, 0) end, 'must be positive')
  end)
end)

describe('draws', function()
  local weights = torch.DoubleTensor {0, 1, 2, 0, 3, 4}
  local shares = {1e-12, 0.1, 0.2, 1e-12, 0.3, 0.4}

  it('with replacement go by weight', function()
    counts_as(torch.multinomial(weights, N, true) - 1, shares)
    local rows = torch.multinomial(torch.rand(3, 1000), 5000, true)
    assert.same({3, 5000}, rows:size():totable())
    assert.is_true(rows:min() >= 1 and rows:max() <= 1000)
  end)

  it('without replacement have the order of one by one', function()
    local n, first, second = 30000, {0, 0, 0}, {0, 0, 0}
    local p = torch.DoubleTensor {1, 2, 3}
    for _, row in ipairs(torch.multinomial(p:view(1, 3):expand(n, 3), 3):totable()) do
      first[row[1]] = first[row[1]] + 1
      second[row[2]] = second[row[2]] + 1
    end
    local of_second = {2 / 6 * 1 / 4 + 3 / 6 * 1 / 3, 1 / 6 * 2 / 5 + 3 / 6 * 2 / 3,
      1 / 6 * 3 / 5 + 2 / 6 * 3 / 4} -- after either of the others
    for k = 1, 3 do
      assert.is_true(math.abs(first[k] / n - k / 6) < 0.02)
      assert.is_true(math.abs(second[k] / n - of_second[k]) < 0.02)
    end
  end)

  it('from tables of aliases go by weight', function()
    local state = torch.multinomialAliasSetup(weights)
    assert.equal('torch.LongTensor', state[1]:type())
    local x = torch.LongTensor(N / 2, 2)
    assert.equal(x, torch.multinomialAlias(x, state))
    counts_as(x:view(-1) - 1, shares)
    local again = torch.multinomialAliasSetup(torch.ones(3), state)
    assert.equal(state, again)
    counts_as(torch.multinomialAlias(torch.LongTensor(N), state) - 1, {1 / 3, 1 / 3, 1 / 3})
    local gen = torch.Generator()
    assert.equal(3, torch.multinomialAlias(gen, torch.LongTensor(3), state):nElement())
    assert.error_matches(function()
      torch.multinomialAlias(x, {torch.LongTensor {4}, torch.ones(1)})
    end, 'out of range')
    assert.error_matches(function() torch.multinomialAlias(x, 5) end, 'multinomialAliasSetup gave')
    assert.error_matches(function() torch.multinomialAliasSetup(torch.zeros(3)) end, 'too few')
  end)

  it('of Poisson and binomial counts have their probabilities', function()
    for _, rate in ipairs {0.5, 4, 12, 30} do
      local list, p = {}, math.exp(-rate)
      for k = 0, math.ceil(rate + 3 * math.sqrt(rate)) do
        list[k + 1] = p
        p = p * rate / (k + 1)
      end
      counts_as(torch.poisson(torch.DoubleTensor(N):fill(rate)), closed(list))
    end
    for _, case in ipairs {{5, 0.5}, {20, 0.1}, {60, 0.4}, {60, 0.7}} do
      local n, p, list = case[1], case[2], {}
      local q = (1 - p) ^ n
      for k = 0, n do
        list[k + 1] = q
        q = q * (n - k) / (k + 1) * p / (1 - p)
      end
      counts_as(torch.binomial(torch.DoubleTensor(N):fill(n), p), list)
    end
    assert.same({0, 10}, torch.binomial(10, torch.DoubleTensor {0, 1}):totable())
    assert.equal(0, torch.poisson(torch.zeros(1))[1])
    assert.error_matches(function() torch.poisson(torch.Tensor {-1}) end, 'a rate of %-1')
    assert.error_matches(function() torch.binomial(torch.Tensor {1.5}, 0.5) end, 'be whole')
    assert.error_matches(function() torch.standard_gamma(torch.Tensor {-1}) end, 'a shape')
  end)
end)
