-- Reductions over several dimensions, medians, counts and the like: forms, edges and bad input.
-- What they calculate stands in spec/golden/.
local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, 'no error: ' .. pattern)
  assert.matches(pattern, message)
end

local nan, inf = 0 / 0, math.huge
local x = torch.range(1, 24):view(2, 3, 4)

describe('several dimensions', function()
  it('are named in a table, a storage or by name', function()
    local expected = {{{68}, {100}, {132}}}
    assert.same(expected, x:sum({1, 3}):totable())
    assert.same(expected, x:sum(torch.LongStorage {1, 3}):totable())
    assert.same(expected, torch.sum(x, {dim = {1, 3}}):totable())
    assert.same({68, 100, 132}, x:sum({1, -1}, false):totable())
    local res = torch.Tensor()
    torch.sum(res, x, {1, 3})
    assert.same(expected, res:totable())
  end)

  it('none at all are all of them', function()
    assert.equal(300, x:sum({}))
    assert.equal(300, x:sum({1, 2, 3}, false))
  end)

  it('must be there, and once', function()
    fails('sum: .*twice', torch.sum, x, {1, 1})
    fails('sum.*: .*twice', torch.sum, x, {1, -3})
    fails('sum: .*counted from 1', torch.sum, x, {0})
    fails('sum: .*no dimension', torch.sum, x, {9})
    fails('sum.*: .*out of range', torch.sum, x, {4})
    for _, bad in ipairs {{1.5}, {nan}, {inf}, {'a'}, {{1}}, {2 ^ 40}, {-2 ^ 60}, {x}} do
      assert.is_false(pcall(torch.sum, x, bad))
    end
    assert.is_false(pcall(torch.sum, x, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}))
  end)

  it('may be strided or empty', function()
    local y = x:transpose(1, 3)
    assert.same(x:sum({1, 3}, false):totable(), y:sum({1, 3}, false):totable())
    assert.same({0, 0, 0}, torch.zeros(0, 3, 2):sum({1, 3}, false):totable())
    assert.same({3, 0}, torch.zeros(2, 3, 0):sum({1}, false):size():totable())
    fails('empty', torch.amax, torch.zeros(0, 3, 2), {1, 3})
  end)
end)

describe('corrections', function()
  it('of variances may be any', function()
    local v = torch.DoubleTensor {1, 2, 3, 6}
    assert.near(14 / 4, torch.var(v, {correction = 0}), 1e-12)
    assert.near(14 / 2, torch.var(v, {correction = 2}), 1e-12)
    assert.equal(inf, torch.var(v, {correction = 4}))
    local one = torch.var(torch.DoubleTensor {1})
    assert.is_true(one ~= one)
  end)
end)

describe('median, kthvalue and mode', function()
  it('give values and indices, of the last dimension unless another is named', function()
    local values, indices = torch.median(torch.Tensor {{3, 1, 2, 9}, {5, 5, 4, 4}})
    assert.same({{2}, {4}}, values:totable())
    assert.same({{3}, {3}}, indices:totable())
    assert.equal('torch.LongTensor', indices:type())
    local v, i = torch.Tensor(), torch.LongTensor()
    torch.kthvalue(v, i, torch.Tensor {3, 1, 2}, 3)
    assert.same({{3}, {1}}, {v:totable(), i:totable()})
  end)

  it('find their element in long and hostile lines', function()
    torch.manualSeed(1)
    local n = 20001
    for _, line in ipairs {torch.randn(n), torch.range(1, n), torch.range(n, 1, -1),
        torch.ones(n), torch.range(1, n):remainder(7)} do
      local sorted = line:sort()
      for _, k in ipairs {1, 2, 10001, n} do
        local value, index = line:kthvalue(k)
        assert.equal(sorted[k], value[1])
        assert.equal(value[1], line[index[1]])
      end
      assert.equal(sorted[10001], line:median()[1])
    end
    local rows = torch.randn(50, 301)
    assert.is_true(torch.equal(rows:median(2), (rows:sort(2)):narrow(2, 151, 1)))
    assert.is_true(torch.equal(rows:t():median(1), rows:median(2):t()))
  end)

  it('take every type', function()
    for _, name in ipairs {'Byte', 'Char', 'Short', 'Int', 'Long', 'Half', 'Float', 'Double'} do
      local t = torch.DoubleTensor({3, 1, 2, 2}):type('torch.' .. name .. 'Tensor')
      assert.same({2}, t:median():totable())
      assert.same({3}, t:kthvalue(4):totable())
      assert.same({2}, t:mode():totable())
      assert.equal(t:type(), t:median():type())
    end
    local least = torch.LongTensor {-2 ^ 63, 2 ^ 62, 0}
    assert.same({-2 ^ 63}, least:kthvalue(1):totable())
  end)

  it('want an element to choose', function()
    fails('kthvalue: .*out of range', torch.kthvalue, torch.Tensor {1, 2}, 3)
    fails('kthvalue: .*out of range', torch.kthvalue, torch.Tensor {1, 2}, 0)
    fails('kthvalue: .*out of range', torch.kthvalue, torch.Tensor {1, 2}, -2 ^ 60)
    fails('median.*: .*empty', torch.median, torch.zeros(0))
    fails('mode: .*empty', torch.mode, torch.zeros(2, 0))
    assert.same({0, 1}, torch.median(torch.zeros(0, 2)):size():totable())
  end)
end)

describe('histograms', function()
  it('want bins and a range', function()
    fails('histc: .*bins', torch.histc, x, 0)
    fails('histc', torch.histc, x, 2 ^ 45)
    fails('histc: the range', torch.histc, x, 3, 2, 1)
    fails('histc: the range', torch.histc, x, 3, -inf, 1)
    fails('histc: the range', torch.histc, x, 3, 0, nan)
    fails('histc: the range', torch.histc, torch.Tensor {1, nan})
    fails('histogram.*: the edges', torch.histogram, x, torch.Tensor {2, 1})
    fails('histogram.*: .*edges', torch.histogram, x, torch.Tensor {2})
    fails('bhistc: a matrix', torch.bhistc, x)
    assert.equal(0, torch.histc(torch.zeros(0)):sum())
  end)

  it('count in several threads as in one', function()
    torch.manualSeed(2)
    local many = torch.rand(200000)
    local counts = torch.histc(many, 10, 0, 1)
    assert.equal(200000, counts:sum())
    for k = 1, 10 do
      assert.equal(torch.ge(many, (k - 1) / 10):sum() - torch.ge(many, k / 10):sum(), counts[k], 3)
    end
  end)

  it('of labels begin at 1', function()
    assert.same({1, 0, 2}, torch.bincount(torch.LongTensor {3, 1, 3}):totable())
    assert.same({0, 0}, torch.bincount(torch.LongTensor(), {minlength = 2}):totable())
    fails('bincount', torch.bincount, torch.LongTensor {0})
    fails('bincount', torch.bincount, torch.LongTensor {2 ^ 62})
    fails('bincount: .*integers', torch.bincount, torch.Tensor {1})
    fails('bincount: .*weights', torch.bincount, torch.LongTensor {1}, torch.Tensor {1, 2})
  end)
end)

describe('unique', function()
  it('takes NaN for one value, and -0 for 0', function()
    local values, inverse, counts = torch.unique(torch.Tensor {nan, 0, nan, -0.0, -inf})
    assert.equal(3, values:nElement())
    assert.same({3, 2, 3, 2, 1}, inverse:totable())
    assert.same({1, 2, 2}, counts:totable())
  end)

  it('gives first what is asked for', function()
    local y = torch.LongTensor {7, 7, 5}
    local function lists(...)
      local out = {...}
      for k, t in ipairs(out) do out[k] = t:totable() end
      return out
    end
    assert.same({{5, 7}, {2, 2, 1}, {1, 2}}, lists(torch.unique(y)))
    assert.same({{5, 7}, {2, 2, 1}, {1, 2}}, lists(torch.unique(y, true, true)))
    assert.same({{5, 7}, {1, 2}, {2, 2, 1}}, lists(torch.unique(y, {return_counts = true})))
    assert.same({{7, 5}, {2, 1}, {1, 1, 2}}, lists(torch.unique_consecutive(y, false, true)))
  end)

  it('brings back what it was made of', function()
    torch.manualSeed(3)
    local y = torch.LongTensor(7, 31):random(1, 20)
    local values, inverse = torch.unique(y)
    assert.is_true(torch.equal(y:view(-1), values:index(1, inverse:view(-1))))
    local rows, of = torch.unique(y:narrow(2, 1, 1), 1)
    assert.is_true(torch.equal(y:narrow(2, 1, 1), rows:index(1, of)))
  end)

  it('of nothing is nothing', function()
    assert.equal(0, torch.unique(torch.zeros(0)):nElement())
    assert.equal(0, torch.unique_consecutive(torch.zeros(0, 2), 1):nElement())
  end)
end)

describe('other statistics', function()
  it('refuse what they cannot do', function()
    fails('quantile: q', torch.quantile, x, -0.1)
    fails('quantile: q', torch.quantile, x, nan)
    fails('quantile: .*empty', torch.quantile, torch.zeros(0), 0.5)
    fails('none of linear', torch.quantile, x, 0.5, 1, true, 'best')
    fails('cross: .*size 3', torch.cross, torch.zeros(2), torch.zeros(2))
    fails('trace: a matrix', torch.trace, x)
    fails('cov: ', torch.cov, x)
    fails('renorm: ', torch.renorm, torch.zeros(3), 2, 1, 1)
    fails('renorm: ', torch.renorm, x, -2, 1, 1)
    fails('glu: .*even', torch.glu, torch.zeros(3))
    fails('prelu: .*slopes', torch.prelu, x, torch.zeros(2))
    fails('searchsorted: ', torch.searchsorted, torch.tensor(1), torch.zeros(2))
    fails('diff: ', torch.diff, x, -1)
    fails('floor_divide: integer division by zero', torch.floor_divide, torch.LongTensor {1}, 0)
    fails('bitwise_not: ', torch.bitwise_not, x)
  end)

  it('give numbers for numbers and for whole tensors', function()
    for _, value in ipairs {torch.dist(x, x), torch.trace(torch.eye(2)), torch.nansum(x),
        torch.quantile(x, 0.5), torch.nanmedian(x), torch.amax(x), torch.count_nonzero(x),
        torch.exp2(3), torch.hypot(3, 4), torch.erfinv(0.5),
        torch.searchsorted(torch.ones(2), 3)} do
      assert.equal('number', type(value))
    end
    assert.is_true(torch.allclose(x, x + 1e-9))
  end)

  it('bounds that are no whole numbers keep integers what they are', function()
    local whole = torch.LongTensor {-5, 0, 5}
    assert.same({-5, 0, 5}, torch.clamp(whole, -1e300, inf):totable())
    assert.same({-5, 0, 0}, torch.clamp(whole, {max = 0}):totable())
    assert.equal(3, torch.clamp(whole, nan, nan):nElement())
  end)
end)
