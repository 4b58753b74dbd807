-- torch.gradcheck finds wrong gradients, and says where.
local function double(values)
  return torch.DoubleTensor(values)
end

local function fails(pattern, ...)
  local ok, message = pcall(torch.gradcheck, ...)
  assert.is_false(ok, 'no error: ' .. pattern)
  assert.matches(pattern, message)
end

-- A function whose gradient is `factor` times what it should be.
local function wrong(factor)
  return function(x)
    local y = torch.no_grad(function() return torch.mul(x, 3) end)
    torch.record(function(dy) return torch.mul(dy, 3 * factor) end, {x}, {y})
    return y
  end
end

describe('torch.gradcheck', function()
  it('accepts right gradients', function()
    local x, y = double {{1, 2}, {3, 4}}, double {0.5, 2}
    assert.is_true(torch.gradcheck(torch.exp, x))
    assert.is_true(torch.gradcheck(torch.cmul, {x, y}, {second = true}))
    assert.is_true(torch.gradcheck(function(a) return a:sum(), {torch.exp(a)} end, {x}))
    assert.is_true(torch.gradcheck(function(a, k) return torch.mul(a, k) end, {x, 3}))
    assert.is_true(torch.gradcheck(wrong(1), x))
  end)

  it('names the input, the element and both values', function()
    fails('input 1, element %[1%]: the gradient is 3%.52%d*, but differences give 3%.35',
      wrong(1.05), double {1, 2})
    fails('input 2, element %[2,1%]', function(x, y)
      return x + torch.cmul(y, torch.DoubleTensor {{1, 1}, {0, 1}})
        + torch.cmul(y:detach(), torch.DoubleTensor {{0, 0}, {1, 0}})
    end, {double {{1, 2}, {3, 4}}, double {{1, 2}, {3, 4}}})
    fails('the gradient is 0, but', function(x) return x:detach() end, double {1})
  end)

  it('finds wrong second gradients', function()
    local function f(x) -- right once: 2x, but with a constant slope
      local y = torch.no_grad(function() return torch.square(x) end)
      local slope = torch.mul(x:detach(), 2)
      torch.record(function(dy) return torch.cmul(dy, slope) end, {x}, {y})
      return y
    end
    assert.is_true(torch.gradcheck(f, double {1, 2}))
    fails('second order, input 1', f, double {1, 2}, {second = true})
  end)

  it('finds values that are no numbers', function()
    fails('nan', function(x) return torch.sqrt(torch.csub(x, 5)) end, double {1})
  end)

  it('leaves its inputs and the random numbers alone', function()
    local x = double {1, 2}
    torch.manualSeed(3)
    local expected = torch.rand(1)[1]
    torch.manualSeed(3)
    torch.gradcheck(torch.exp, x)
    assert.equal(expected, torch.rand(1)[1])
    assert.same({1, 2}, x:totable())
    assert.is_false(x.requires_grad)
    assert.is_nil(x.grad)
  end)

  it('works while recording is off', function()
    torch.no_grad(function()
      assert.is_true(torch.gradcheck(torch.exp, double {1}))
      assert.is_false(torch.is_grad_enabled())
    end)
  end)

  it('refuses what it cannot check', function()
    fails('DoubleTensor expected', torch.exp, torch.FloatTensor {1})
    fails('a tensor or a table of inputs expected, got number', torch.exp, 3)
    fails('returned nothing that has a gradient', function() end, double {1})
    fails('no option typo', torch.exp, double {1}, {typo = 1})
  end)
end)
