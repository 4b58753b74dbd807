-- Sorting and choosing: ties, NaN, long rows, and indices that are out of range.
local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, 'no error: ' .. pattern)
  assert.matches(pattern, message)
end

local nan, inf = 0 / 0, math.huge

describe('sort', function()
  it('keeps the order of equal elements', function()
    local x = torch.Tensor {2, 1, 2, 1, 2}
    local values, indices = x:sort()
    assert.same({1, 1, 2, 2, 2}, values:totable())
    assert.same({2, 4, 1, 3, 5}, indices:totable())
    values, indices = x:sort(1, true)
    assert.same({2, 2, 2, 1, 1}, values:totable())
    assert.same({1, 3, 5, 2, 4}, indices:totable())
  end)

  it('puts NaN behind all numbers', function()
    local _, indices = torch.Tensor({nan, 1, inf, -inf}):sort()
    assert.same({4, 2, 3, 1}, indices:totable())
  end)

  it('sorts long rows', function()
    torch.manualSeed(3)
    local x = torch.randn(3, 5000)
    local values, indices = x:sort(2)
    assert.is_true(torch.equal(values, x:gather(2, indices)))
    assert.equal(0, torch.gt(values:narrow(2, 1, 4999), values:narrow(2, 2, 4999)):sum())
    local flat = x:view(-1):sort()
    assert.equal(x:min(), flat[1])
    assert.equal(x:max(), flat[15000])
  end)

  it('sorts every type', function()
    for _, name in ipairs {'Byte', 'Char', 'Short', 'Int', 'Long', 'Half', 'Float', 'Double'} do
      local x = torch.DoubleTensor({3, 1, 2}):type('torch.' .. name .. 'Tensor')
      local values, indices = x:sort()
      assert.same({1, 2, 3}, values:double():totable())
      assert.same({2, 3, 1}, indices:totable())
      assert.equal(x:type(), values:type())
    end
  end)
end)

describe('topk', function()
  it('gives the smallest, or the largest', function()
    local x = torch.Tensor {5, 1, 4, 2, 3}
    assert.same({1, 2}, x:topk(2):totable())
    assert.same({5, 4, 3}, x:topk(3, true):totable())
    assert.same({5, 4}, x:topk(2, 1, true):totable())
    fails('topk', function() x:topk(6) end)
    fails('topk', function() x:topk(-1) end)
  end)

  it('agrees with sort', function()
    torch.manualSeed(4)
    local x = torch.randn(7, 300)
    for _, largest in ipairs {false, true} do
      local values = x:topk(20, 2, largest)
      assert.is_true(torch.equal(values, (x:sort(2, largest)):narrow(2, 1, 20)))
    end
  end)
end)

describe('max and min', function()
  it('take the first of equal elements', function()
    local _, indices = torch.Tensor({1, 3, 3, 2}):max(1)
    assert.equal(2, indices[1])
    assert.equal(2, torch.argmax(torch.Tensor {1, 3, 3}))
    assert.equal(1, torch.argmin(torch.Tensor {1, 1, 3}))
  end)

  it('let NaN win', function()
    local x = torch.Tensor {1, nan, 3}
    local most, least = x:max(), x:min()
    assert.is_true(most ~= most and least ~= least)
    local _, indices = x:max(1)
    assert.equal(2, indices[1])
    assert.equal(2, x:argmin())
  end)
end)

describe('indices', function()
  local x = torch.range(1, 12):view(3, 4)
  local bad = {0, 5, -5, 2 ^ 40, -2 ^ 62}

  it('out of range are errors that name them', function()
    for _, value in ipairs(bad) do
      local i = torch.LongTensor {1, value}
      local spread = torch.LongTensor {{1, value, 1, 1}}
      fails('index: .*out of range', torch.index, x, 1, i)
      fails('indexAdd: .*out of range', torch.indexAdd, x, 1, i, torch.ones(2, 4))
      fails('indexCopy: .*out of range', torch.indexCopy, x, 1, i, torch.ones(2, 4))
      fails('indexFill: .*out of range', torch.indexFill, x, 1, i, 1)
      fails('gather: .*out of range', torch.gather, x, 1, spread)
      fails('scatter: .*out of range', torch.scatter, x, 1, spread, 1)
      fails('scatter_add: .*out of range', torch.scatter_add, x, 1, spread, torch.ones(1, 4))
      fails('nll_loss: ', torch.nll_loss, x, torch.LongTensor {1, 2, value})
      fails('cross_entropy: ', torch.cross_entropy, x, torch.LongTensor {1, value, 2})
    end
    assert.equal(78, x:sum())
  end)

  it('that are no whole numbers are errors', function()
    for _, value in ipairs {nan, inf, 1.5} do
      local i = torch.DoubleTensor {1, value}
      fails('index', torch.index, x, 1, i)
      fails('gather', torch.gather, x, 1, torch.DoubleTensor {{1, value, 1, 1}})
      fails('nll_loss', torch.nll_loss, x, torch.DoubleTensor {1, 1, value})
    end
  end)

  it('are of an integer type; labels may be whole floats, as in Torch7', function()
    fails('integer type expected, got float32', torch.index, x, 1, torch.Tensor {3})
    assert.equal(-1, torch.nll_loss(torch.Tensor {{1, 0}}, torch.Tensor {1}))
  end)

  it('want a source of the right size', function()
    local i = torch.LongTensor {1, 2}
    fails('indexAdd', torch.indexAdd, x, 1, i, torch.ones(3, 4))
    fails('indexCopy', torch.indexCopy, x, 2, i, torch.ones(2, 2))
    fails('gather', torch.gather, x, 1, i)
    fails('scatter', torch.scatter, x, 1, torch.LongTensor {{1, 1}}, torch.ones(3))
    fails('maskedCopy', torch.maskedCopy, x, torch.gt(x, 2), torch.ones(3))
    fails('maskedSelect', torch.maskedSelect, x, torch.ByteTensor {1, 0, 1})
    fails('index', torch.index, x, 3, i)
    fails('index', torch.index, x, 0, i)
  end)
end)
