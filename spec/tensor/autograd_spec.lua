-- The rules of recording and differentiating.
local function leaf(values)
  local x = torch.DoubleTensor(values)
  x.requires_grad = true
  return x
end

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, 'no error: ' .. pattern)
  assert.matches(pattern, message)
end

describe('backward', function()
  it('fills .grad of every leaf', function()
    local x, y = leaf {1, 2, 3}, leaf {4, 5, 6}
    torch.cmul(x, y):sum():backward()
    assert.same({4, 5, 6}, x.grad:totable())
    assert.same({1, 2, 3}, y.grad:totable())
  end)

  it('adds to a gradient that is there, in the same tensor', function()
    local x = leaf {1, 2}
    x:sum():backward()
    local first = x.grad
    torch.mul(x, 3):sum():backward()
    assert.same({4, 4}, first:totable())
    assert.is_true(x.grad == first)
    x.grad:zero()
    torch.square(x):sum():backward()
    assert.same({2, 4}, first:totable())
  end)

  it('sums over all uses of a tensor', function()
    local x = leaf {2}
    local y = torch.square(x)
    local z = y + y + torch.cmul(x, y)
    for _ = 1, 20 do z = z + x end
    z:sum():backward()
    assert.equal(2 * 4 + 3 * 4 + 20, x.grad[1])
  end)

  it('passes through a deep diamond once per node', function()
    local x = leaf {1}
    local y = x
    for _ = 1, 40 do y = torch.add(torch.mul(y, 0.5), torch.mul(y, 0.5)) end
    y:sum():backward()
    assert.equal(1, x.grad[1])
  end)

  it('takes the gradient of a result that is no single number', function()
    local x = leaf {1, 2, 3}
    local y = torch.square(x)
    y:backward(torch.DoubleTensor {1, 0, -1})
    assert.same({2, 0, -6}, x.grad:totable())
    fails('size %[3%] must be given', function() torch.square(x):backward() end)
    fails('gradient of size %[2%] does not fit', function()
      torch.square(x):backward(torch.DoubleTensor {1, 2})
    end)
  end)

  it('works on a leaf', function()
    local x = torch.tensor(3, {dtype = 'float64', requires_grad = true})
    x:backward()
    assert.equal(1, x.grad:item())
  end)

  it('works on tensors without dimensions', function()
    local x = torch.tensor(3, {dtype = 'float64', requires_grad = true})
    local y = torch.square(x) * 2 + 1
    assert.equal(0, y:dim())
    y:backward()
    assert.equal(12, x.grad:item())
    assert.equal(0, x.grad:dim())
  end)

  it('refuses what was not recorded', function()
    fails('no gradient was recorded', function() torch.zeros(1):backward() end)
    fails('no gradient was recorded', function() leaf({1}):detach():backward() end)
  end)

  it('frees what the gradients needed', function()
    local x = leaf {1, 2}
    local y = torch.square(x):sum()
    y:backward()
    fails("'[%w_]+' needs were freed by an earlier backward", function() y:backward() end)
    assert.same({2, 4}, x.grad:totable())
  end)

  it('keeps it when asked to', function()
    local x = leaf {1, 2}
    local y = torch.square(x):sum()
    y:backward({retain_graph = true})
    y:backward(nil, {retain_graph = true})
    y:backward()
    assert.same({6, 12}, x.grad:totable())
  end)

  it('converts gradients to the type of what they belong to', function()
    local x = torch.FloatTensor {1, 2}
    x.requires_grad = true
    local w = leaf {0.5, 0.25}
    torch.cmul(x, w):sum():backward()
    assert.equal('torch.FloatTensor', x.grad:type())
    assert.equal('torch.DoubleTensor', w.grad:type())
    x:double():sum():backward()
    assert.same({1.5, 1.25}, x.grad:totable())
  end)

  it('sums over broadcast dimensions', function()
    local a, b = leaf {{1}, {2}}, leaf {1, 2, 3}
    torch.cmul(a, b):sum():backward()
    assert.same({{6}, {6}}, a.grad:totable())
    assert.same({3, 3, 3}, b.grad:totable())
  end)

  it('survives a chain of 200,000 operations, and so does its release', function()
    local x = leaf {1}
    local y = x
    for _ = 1, 200000 do y = torch.add(y, 0) end
    y:sum():backward()
    assert.equal(1, x.grad[1])
    local z = x
    for _ = 1, 200000 do z = torch.add(z, 0) end
    z = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
  end)
end)

describe('torch.grad', function()
  it('gives one gradient, or a table of them, and leaves .grad alone', function()
    local x, y = leaf {1, 2}, leaf {3, 4}
    local z = torch.cmul(x, y):sum()
    assert.same({3, 4}, torch.grad(z, x, {retain_graph = true}):totable())
    local grads = torch.grad({z}, {y, x})
    assert.same({1, 2}, grads[1]:totable())
    assert.same({3, 4}, grads[2]:totable())
    assert.is_nil(x.grad)
    assert.is_nil(y.grad)
  end)

  it('gives nil for what nothing depends on', function()
    local x, y = leaf {1}, leaf {1}
    local grads = torch.grad({torch.square(x):sum()}, {y, x})
    assert.is_nil(grads[1])
    assert.same({2}, grads[2]:totable())
    assert.is_nil(torch.grad(torch.square(x):sum(), y))
  end)

  it('reaches values in the middle', function()
    local x = leaf {1, 2}
    local h = torch.square(x)
    local y = torch.mul(h, 3)
    local grads = torch.grad({y:sum()}, {h, x})
    assert.same({3, 3}, grads[1]:totable())
    assert.same({6, 12}, grads[2]:totable())
  end)

  it('takes several outputs with their gradients', function()
    local x = leaf {1, 2}
    local a, b = torch.square(x), torch.mul(x, 3)
    local g = torch.grad({a, b}, x, {torch.DoubleTensor {1, 1}, torch.DoubleTensor {10, 0}})
    assert.same({32, 4}, g:totable())
    assert.same({5, 7}, torch.grad({torch.square(x):sum(), torch.mul(x, 3):sum()}, x):totable())
  end)

  it('can be differentiated', function()
    local x = leaf {2, 3}
    local y = torch.pow(x, 3):sum()
    local g = torch.grad(y, x, {create_graph = true})
    assert.same({12, 27}, g:totable())
    local h = torch.grad(g:sum(), x, {create_graph = true})
    assert.same({12, 18}, h:totable())
    local k = torch.grad(h:sum(), x)
    assert.same({6, 6}, k:totable())
  end)

  it('gives gradients of gradients for a penalty', function()
    local at, by = {1, 2}, {0.3, 0.4}
    local x, w = leaf(at), leaf(by)
    local y = torch.tanh(torch.cmul(x, w)):sum()
    local penalty = torch.square(torch.grad(y, x, {create_graph = true})):sum()
    penalty:backward()
    local t = torch.tanh(torch.cmul(x, w):detach())
    for k = 1, 2 do
      local s = 1 - t[k] ^ 2
      local expected = 2 * s * by[k] * (s - 2 * t[k] * s * by[k] * at[k])
      assert.near(expected, w.grad[k], 1e-9)
    end
  end)

  it('says what it got instead of tensors', function()
    fails('grad', function() torch.grad(1, leaf {1}) end)
    fails('grad', function() torch.grad({leaf({1}):sum()}, {2}) end)
    fails('as many gradients as outputs', function()
      local x = leaf {1}
      torch.grad({x:sum(), x:sum()}, x, {torch.ones(1)})
    end)
  end)
end)

describe('recording', function()
  it('is off inside no_grad, also after an error', function()
    local x = leaf {1}
    local y = torch.no_grad(function() return torch.square(x) end)
    assert.is_false(y.requires_grad)
    assert.is_true(torch.is_grad_enabled())
    fails('oops', function() torch.no_grad(function() error('oops') end) end)
    assert.is_true(torch.is_grad_enabled())
    torch.no_grad(function()
      assert.is_true(torch.enable_grad(function() return torch.square(x) end).requires_grad)
      assert.is_false(torch.is_grad_enabled())
    end)
  end)

  it('passes arguments and results through no_grad', function()
    local a, b, c = torch.no_grad(function(...) return select('#', ...), ... end, nil, 'x')
    assert.equal(2, a)
    assert.is_nil(b)
    assert.equal('x', c)
  end)

  it('is switched by set_grad_enabled, which gives what it was', function()
    local x = leaf {1}
    assert.is_true(torch.set_grad_enabled(false))
    assert.is_false(torch.square(x).requires_grad)
    assert.is_false(torch.set_grad_enabled(true))
    assert.is_true(torch.square(x).requires_grad)
  end)

  it('stops at detach, which shares memory', function()
    local x = leaf {1, 2}
    local d = torch.square(x):detach()
    assert.is_false(d.requires_grad)
    assert.is_nil(d.grad_fn)
    local v = x:detach()
    v[1] = 5
    assert.equal(5, x:detach()[1])
    local z = torch.cmul(x, x:detach()):sum()
    z:backward()
    assert.same({5, 2}, x.grad:totable())
  end)

  it('makes full reductions tensors, which are numbers otherwise', function()
    local x = torch.DoubleTensor {1, 2}
    assert.equal('number', type(x:sum()))
    assert.equal('number', type(x:dot(x)))
    x.requires_grad = true
    local s = x:sum()
    assert.is_true(torch.isTensor(s))
    assert.equal(0, s:dim())
    assert.equal(3, s:item())
    assert.equal(tostring(s:item()), (tostring(s):gsub('%s+$', '')))
    assert.equal(7, (s * 2 + 1):item())
    assert.equal(1.5, (s / 2):item())
    assert.equal(-2, (1 - s):item())
    assert.equal('number', type(torch.no_grad(function() return x:sum() end)))
    assert.equal(1, x:detach()[1])
    assert.is_true(x[1].requires_grad)
  end)

  it('names what made a tensor', function()
    local x = leaf {1}
    assert.is_true(x.is_leaf)
    assert.is_nil(x.grad_fn)
    local y = torch.exp(x)
    assert.is_false(y.is_leaf)
    assert.equal('exp', y.grad_fn)
  end)

  it('is for floating-point tensors only', function()
    fails('only floating%-point tensors have gradients, this one is int64', function()
      torch.LongTensor({1}).requires_grad = true
    end)
    local x = leaf {1.5}
    assert.is_false(x:long().requires_grad)
    assert.is_false(torch.gt(x, 0).requires_grad)
  end)

  it('cannot be switched off for a result', function()
    local y = torch.exp(leaf {1})
    fails("made by 'exp' cannot be switched off", function() y.requires_grad = false end)
    local x = leaf {1}
    x.requires_grad = false
    assert.is_false(torch.exp(x).requires_grad)
  end)

  it('lets a gradient be set and taken away', function()
    local x = leaf {1, 2}
    x.grad = torch.DoubleTensor {5, 6}
    x:sum():backward()
    assert.same({6, 7}, x.grad:totable())
    x.grad = nil
    assert.is_nil(x.grad)
    fails('gradient of size %[3%] does not fit', function() x.grad = torch.zeros(3):double() end)
    fails('own gradient', function() x.grad = x end)
  end)
end)

describe('gradients written in Lua', function()
  it('are called with what arrives, and their errors come through', function()
    local x = leaf {1, 2}
    local y = torch.no_grad(function() return torch.square(x) end)
    torch.record(function(dy) return torch.mul(dy, 7) end, {x}, {y})
    assert.is_true(y.requires_grad)
    torch.mul(y, 2):sum():backward()
    assert.same({14, 14}, x.grad:totable())

    local z = torch.no_grad(function() return torch.square(x) end)
    torch.record(function() error('no way back') end, {x}, {z})
    fails('no way back', function() z:sum():backward() end)
    z = torch.no_grad(function() return torch.square(x) end)
    torch.record(function() return 'nonsense' end, {x}, {z})
    fails('gradient', function() z:sum():backward() end)
  end)
end)
