-- Types of results, whole-number arithmetic, and numbers beside tensors.
local rank = {bool = 0, uint8 = 1, int8 = 1, int16 = 2, int32 = 3, int64 = 4, float16 = 5,
  bfloat16 = 5, float32 = 6, float64 = 7}
local dtypes = {'bool', 'uint8', 'int8', 'int16', 'int32', 'int64', 'float16', 'bfloat16',
  'float32', 'float64'}

local function promoted(a, b)
  if a == b then return a end
  if (a == 'uint8' and b == 'int8') or (a == 'int8' and b == 'uint8') then return 'int16' end
  if (a == 'float16' and b == 'bfloat16') or (a == 'bfloat16' and b == 'float16') then
    return 'float32'
  end
  return rank[a] > rank[b] and a or b
end

local function ones(dtype)
  return torch.ones(3):to(dtype)
end

describe('the type of a result', function()
  it('is the wider one of two tensors', function()
    for _, a in ipairs(dtypes) do
      for _, b in ipairs(dtypes) do
        assert.equal(promoted(a, b), torch.cmax(ones(a), ones(b)).dtype, a .. ' and ' .. b)
        if a ~= 'bool' or b ~= 'bool' then
          assert.equal(promoted(a, b), torch.add(ones(a), ones(b)).dtype, a .. ' and ' .. b)
        end
      end
    end
  end)

  it('is the tensor\'s beside a number, unless the number is of a higher kind', function()
    for _, dtype in ipairs(dtypes) do
      local float = dtype:find('float') ~= nil
      assert.equal(dtype == 'bool' and 'int64' or dtype, torch.add(ones(dtype), 2).dtype, dtype)
      assert.equal(float and dtype or 'float32', torch.add(ones(dtype), 2.5).dtype, dtype)
      assert.equal(float and dtype or 'float32', torch.mul(ones(dtype), 0.5).dtype, dtype)
    end
  end)

  it('is a float of functions that have no whole results', function()
    for _, dtype in ipairs(dtypes) do
      local float = dtype:find('float') ~= nil
      assert.equal(float and dtype or 'float32', torch.exp(ones(dtype)).dtype, dtype)
      assert.equal(float and dtype or 'float32', torch.sqrt(ones(dtype)).dtype, dtype)
    end
  end)

  it('is uint8 of a test', function()
    for _, dtype in ipairs(dtypes) do
      assert.equal('torch.ByteTensor', torch.gt(ones(dtype), 0):type())
    end
  end)

  it('of an index is int64', function()
    local _, indices = torch.sort(torch.Tensor {3, 1, 2})
    assert.equal('int64', indices.dtype)
    assert.same({2, 3, 1}, indices:totable())
  end)
end)

describe('whole numbers', function()
  it('are divided towards zero', function()
    local a, b = torch.LongTensor {7, -7, 7, -7}, torch.LongTensor {2, 2, -2, -2}
    assert.same({3, -3, -3, 3}, torch.div(a, b):totable())
    assert.equal('torch.LongTensor', torch.div(a, b):type())
    assert.same({3, -3, 3, -3}, torch.div(a, 2):totable())
    assert.same({1, -1, 1, -1}, torch.fmod(a, b):totable())
    assert.same({1, 1, -1, -1}, torch.remainder(a, b):totable())
  end)

  it('divided by 0, or beyond their range, are numbers and no crash', function()
    local least = torch.LongTensor {-2 ^ 63, 5, 0}
    for _, name in ipairs {'div', 'fmod', 'remainder'} do
      for _, divisor in ipairs {0, -1} do
        local ok, result = pcall(torch[name], least, divisor)
        assert.is_true(not ok or result:nElement() == 3)
        local small = torch.IntTensor {-2 ^ 31, 5, 0}
        ok, result = pcall(torch[name], small, torch.IntTensor {divisor, divisor, divisor})
        assert.is_true(not ok or result:nElement() == 3)
      end
    end
    assert.equal(3, torch.abs(least):nElement())
    assert.equal(3, torch.neg(least):nElement())
    assert.equal(3, torch.mul(least, 3):nElement())
    assert.equal(3, torch.add(least, -1):nElement())
    assert.equal(3, torch.pow(least, 3):nElement())
    assert.equal(3, torch.pow(torch.LongTensor {2, 3, 0}, -1):nElement())
    for _, bits in ipairs {0, 63, 64, 1000, -1} do
      assert.equal(3, torch.lshift(least, bits):nElement())
      assert.equal(3, torch.rshift(least, bits):nElement())
    end
  end)

  it('wrap around in their type', function()
    assert.same({44}, torch.add(torch.ByteTensor {200}, torch.ByteTensor {100}):totable())
    assert.same({-126}, torch.add(torch.CharTensor {100}, torch.CharTensor {30}):totable())
    assert.same({-25536}, torch.mul(torch.ShortTensor {20000}, 2):totable())
    assert.same({254}, torch.csub(torch.ByteTensor {1}, torch.ByteTensor {3}):totable())
  end)

  it('are summed in int64', function()
    local x = torch.ByteTensor(1000):fill(255)
    assert.equal(255000, x:sum())
    assert.equal('torch.LongTensor', x:sum(1):type())
    assert.equal(255, x:max())
  end)

  it('in float32 lose digits, in sums over many they do not pile up', function()
    local x = torch.FloatTensor(2 ^ 20):fill(0.1)
    assert.near(104857.6, x:sum(), 0.2)
    assert.near(0.1, x:mean(), 1e-7)
    local h = torch.HalfTensor(10000):fill(1)
    assert.equal(10000, h:sum())
  end)
end)

describe('shapes of pointwise results', function()
  it('are the same, or broadcast, or the first one\'s for as many elements', function()
    local function shape(a, b)
      return torch.add(torch.zeros(torch.LongStorage(a)), torch.zeros(torch.LongStorage(b))):size()
        :totable()
    end
    assert.same({2, 3}, shape({2, 3}, {2, 3}))
    assert.same({2, 3}, shape({2, 3}, {3}))
    assert.same({2, 3}, shape({3}, {2, 3}))
    assert.same({2, 3}, shape({2, 1}, {3}))
    assert.same({4, 2, 3}, shape({4, 1, 3}, {2, 1}))
    assert.same({2, 3}, shape({2, 3}, {6}))
    assert.same({6}, shape({6}, {2, 3}))
    assert.same({2, 3}, shape({2, 3}, {3, 2}))
    assert.same({2, 0}, shape({2, 1}, {0}))
  end)

  it('must fit', function()
    local ok, message = pcall(torch.add, torch.zeros(2, 3), torch.zeros(4))
    assert.is_false(ok)
    assert.matches('add: ', message)
    assert.matches('%[?2x3%]?', message)
    assert.matches('%[?4%]?', message)
  end)
end)

describe('large tensors', function()
  it('are shared between threads without a seam', function()
    local n = 300007
    local x = torch.range(1, n)
    local threads = torch.getnumthreads()
    local results = {}
    for _, count in ipairs {1, 2, 3} do
      torch.setnumthreads(count)
      local y = torch.add(torch.mul(x, 2), 1)
      results[#results + 1] = {y[1], y[n], y:sum(), torch.sqrt(y):sum(), y:view(1, n):sum(1)[1][n]}
      assert.equal(count, torch.getnumthreads())
    end
    torch.setnumthreads(threads)
    assert.same(results[1], results[2])
    assert.same(results[1], results[3])
    assert.equal(3, results[1][1])
    assert.equal(2 * n + 1, results[1][2])
  end)
end)
