-- Writing in place to what is, or may be, differentiated.
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

describe('writing to a leaf', function()
  it('is a plain write', function()
    local x = leaf {1, 2}
    x:add(1)
    x:mul(2)
    x[1] = 9
    assert.is_true(x.is_leaf)
    assert.same({9, 6}, x:totable())
    x:fill(3)
    x:zero()
    x:uniform()
    x:copy(torch.DoubleTensor {4, 5})
    x:add(-0.5, torch.DoubleTensor {2, 2})
    assert.is_true(x.is_leaf)
    torch.square(x):sum():backward()
    assert.same({6, 8}, x.grad:totable())
  end)

  it('through a view is one too', function()
    local x = leaf {1, 2, 3}
    x:narrow(1, 2, 2):fill(7)
    x[{{1}}]:add(1)
    assert.is_true(x.is_leaf)
    assert.same({2, 7, 7}, x:totable())
  end)

  it('is found where a gradient needs the old value', function()
    local x = leaf {1, 2}
    local y = torch.square(x):sum()
    x:add(1)
    fails("the gradient of 'square' needs a value that was changed in place afterwards by 'add'",
      function() y:backward() end)
  end)

  it('does not matter where no gradient needs the old value', function()
    local x = leaf {1, 2}
    local y = torch.add(x, 3):sum()
    x:zero()
    y:backward()
    assert.same({1, 1}, x.grad:totable())
  end)
end)

describe('writing to a result', function()
  it('is recorded', function()
    local x = leaf {1, 2}
    local y = torch.mul(x, 3)
    y:add(1)
    y:mul(2)
    y:sum():backward()
    assert.same({6, 6}, x.grad:totable())
  end)

  it('cuts off what it overwrites', function()
    local x, z = leaf {1, 2}, leaf {3, 4}
    local y = torch.mul(x, 3)
    y:copy(z)
    y:sum():backward()
    assert.is_true(x.grad == nil or x.grad:sum() == 0)
    assert.same({1, 1}, z.grad:totable())
    y = torch.mul(x, 3)
    y:zero()
    assert.is_true(y.requires_grad)
    y:sum():backward()
    assert.is_true(x.grad == nil or x.grad:sum() == 0)
  end)

  it('is found where a gradient needs the old value', function()
    local x = leaf {1, 2}
    local y = torch.exp(x)
    local z = y:sum()
    y:mul(2)
    fails("the gradient of 'exp' needs a value that was changed in place afterwards by 'mul'",
      function() z:backward() end)
  end)

  it('by an in-place function keeps its own gradient', function()
    local x = leaf {1, 2}
    local y = torch.mul(x, 1)
    y:exp()
    y:sum():backward()
    assert.near(math.exp(2), x.grad[2], 1e-9)
    local h = torch.mul(x, 1)
    fails("'square' needs a value that was changed in place afterwards by 'square'", function()
      h:square()
      h:sum():backward()
    end)
  end)

  it('with a recorded value makes a plain tensor recorded', function()
    local x = leaf {1, 2}
    local y = torch.zeros(2):double()
    y:add(x)
    assert.is_true(y.requires_grad)
    y:sum():backward()
    assert.same({1, 1}, x.grad:totable())
  end)

  it('under no_grad leaves its history alone', function()
    local x = leaf {1, 2}
    local y = torch.add(x, 1)
    torch.no_grad(function() y:mul(5) end)
    y:sum():backward()
    assert.same({1, 1}, x.grad:totable())
  end)
end)

describe('writing to a view of a result', function()
  it('reaches the result', function()
    local x, z = leaf {{1, 2}, {3, 4}}, leaf {5, 6}
    local h = torch.mul(x, 1)
    h[1]:copy(z)
    h[2]:mul(3)
    torch.cmul(h, torch.DoubleTensor {{1, 10}, {100, 1000}}):sum():backward()
    assert.same({{0, 0}, {300, 3000}}, x.grad:totable())
    assert.same({1, 10}, z.grad:totable())
  end)

  it('is seen by other views of it', function()
    local x = leaf {1, 2, 3}
    local h = torch.mul(x, 1)
    local a, b = h:narrow(1, 1, 2), h:narrow(1, 2, 2)
    a:mul(10)
    b:sum():backward()
    assert.same({0, 10, 1}, x.grad:totable())
  end)

  it('is seen through transposed and selected views', function()
    local x = leaf {{1, 2}, {3, 4}}
    local h = torch.mul(x, 1)
    local t = h:t()
    h:select(2, 1):zero()
    t[2]:mul(5)
    t:sum():backward()
    assert.same({{0, 5}, {0, 5}}, x.grad:totable())
  end)

  it('is found where a gradient needs the old value', function()
    local x = leaf {1, 2, 3}
    local h = torch.mul(x, 1)
    local y = torch.square(h):sum()
    h:narrow(1, 1, 1):fill(0)
    fails("'square' needs a value that was changed in place afterwards by 'fill'",
      function() y:backward() end)
  end)

  it('by assignment is recorded', function()
    local x, z = leaf {1, 2, 3}, leaf {7}
    local h = torch.mul(x, 2)
    h[2] = 9
    h[{{3}}] = z
    assert.same({2, 9, 7}, h:detach():totable())
    h:sum():backward()
    assert.same({2, 0, 0}, x.grad:totable())
    assert.same({1}, z.grad:totable())
  end)

  it('by a mask or indices is recorded', function()
    local x = leaf {1, 2, 3}
    local h = torch.mul(x, 2)
    h[torch.ByteTensor {1, 0, 0}] = 0
    h[torch.LongTensor {2}] = 5
    h:sum():backward()
    assert.same({0, 0, 2}, x.grad:totable())
  end)
end)

describe('filling a plain tensor piece by piece', function()
  it('with recorded values records it', function()
    local rows = {leaf {1, 2}, leaf {3, 4}}
    local h = torch.zeros(2, 2):double()
    for i = 1, 2 do h[i]:copy(torch.mul(rows[i], i)) end
    assert.is_true(h.requires_grad)
    torch.cmul(h, torch.DoubleTensor {{1, 2}, {3, 4}}):sum():backward()
    assert.same({1, 2}, rows[1].grad:totable())
    assert.same({6, 8}, rows[2].grad:totable())
  end)

  it('by assignment does too', function()
    local x = leaf {1, 2, 3}
    local z = torch.zeros(5):double()
    z[{{2, 4}}] = x
    assert.is_true(z.requires_grad)
    z:sum():backward()
    assert.same({1, 1, 1}, x.grad:totable())
    local n = torch.zeros(2):double()
    n[1] = x:sum()
    n:sum():backward()
    assert.same({2, 2, 2}, x.grad:totable())
  end)
end)

describe('a tensor that changes its shape under way', function()
  it('is an error for the gradient that needs it, not a wrong result', function()
    local w, x = leaf {1, 2, 3, 4}, leaf {1, 1, 1, 1}
    local y = torch.cmul(x, w):sum()
    w:resize(2)
    assert.has_error(function() y:backward() end)
    local v = leaf {1, 2, 3, 4}
    y = torch.cmul(x, v):sum()
    v:set(v:detach():narrow(1, 1, 2))
    local ok, message = pcall(y.backward, y)
    assert.is_false(ok)
    assert.is_truthy(message:find('another shape or storage', 1, true))
  end)

  it('is an error in the loops of apply, map and map2', function()
    for k = 1, 3 do
      local t = {torch.ones(1000), torch.ones(1000), torch.ones(1000)}
      local ok, message = pcall(t[1].map2, t[1], t[2], t[3], function() t[k]:resize(1) end)
      assert.is_false(ok)
      assert.is_truthy(message:find('changed the size of argument ' .. k, 1, true))
    end
  end)

  it('may head a long chain of gradients, which is freed without recursion', function()
    local head = torch.zeros(1)
    local tail = head
    for _ = 1, 200000 do
      local next_one = torch.zeros(1)
      tail.grad = next_one
      tail = next_one
    end
    head, tail = nil, nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
  end)
end)

describe('expandAs and viewAs', function()
  it('are not recorded for the tensor that only tells the sizes', function()
    local like = torch.randn(2, 3):requiresGrad()
    assert.is_false(torch.ones(1, 3):expandAs(like).requires_grad)
    assert.is_false(torch.ones(6):viewAs(like).requires_grad)
    local x = torch.ones(1, 3):requiresGrad()
    x:expandAs(like):sum():backward()
    assert.same({{2, 2, 2}}, x.grad:totable())
    -- so that a mask may be made to fit, and what it is written to goes backward
    local y = like * 1
    y:cmul(torch.ones(1, 3):mul(2):expandAs(y))
    y:sum():backward()
    assert.equal(12, like.grad:sum())
  end)
end)
