-- x[...], read and written, with its errors; operators.
local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, 'no error: ' .. pattern)
  assert.matches(pattern, message)
end

local function grid() -- 11 12 13 14 / 21 ... / 31 ...
  local x = torch.zeros(3, 4)
  for i = 1, 3 do
    for j = 1, 4 do x[i][j] = 10 * i + j end
  end
  return x
end

describe('x[i]', function()
  it('is a number of a vector', function()
    local v = torch.Tensor {5, 6, 7}
    assert.equal(5, v[1])
    assert.equal(7, v[3])
    assert.equal(7, v[-1])
    assert.equal(5, v[-3])
  end)

  it('is a view of a matrix', function()
    local x = grid()
    local row = x[2]
    assert.same({21, 22, 23, 24}, row:totable())
    row[1] = 0
    assert.equal(0, x[2][1])
    assert.equal(34, x[-1][-1])
  end)

  it('fails outside', function()
    local v, x = torch.zeros(3), grid()
    fails('index 4 is out of range: dimension 1 has 3', function() return v[4] end)
    fails('index 0 is out of range', function() return v[0] end)
    fails('index %-4 is out of range', function() return v[-4] end)
    fails('index 4 is out of range: dimension 1 has 3', function() return x[4] end)
    fails('whole number', function() return v[1.5] end)
    fails('index', function() return v[0 / 0] end)
    fails('index', function() return v[1e300] end)
    fails('no index', function() return torch.tensor(3)[1] end)
    fails('out of range', function() return torch.zeros(0)[1] end)
  end)
end)

describe('x[{...}]', function()
  it('takes numbers, ranges and everything', function()
    local x = grid()
    assert.equal(23, x[{2, 3}])
    assert.equal(34, x[{-1, -1}])
    assert.same({21, 22, 23, 24}, x[{2}]:totable())
    assert.same({21, 22, 23, 24}, x[{2, {}}]:totable())
    assert.same({12, 22, 32}, x[{{}, 2}]:totable())
    assert.same({{12}, {22}, {32}}, x[{{}, {2}}]:totable())
    assert.same({{22, 23}, {32, 33}}, x[{{2, 3}, {2, 3}}]:totable())
    assert.same({{23, 24}, {33, 34}}, x[{{-2, -1}, {-2, -1}}]:totable())
    assert.same({{21, 22, 23, 24}}, x[{{2}}]:totable())
    assert.is_true(torch.equal(x, x[{}]))
    assert.same({23, 24}, x[{2, {3, -1}}]:totable())
  end)

  it('shares memory', function()
    local x = grid()
    x[{{1, 2}, {1, 2}}]:zero()
    assert.equal(4 * 3 * 22.5 - 11 - 12 - 21 - 22, x:sum())
  end)

  it('fails with sizes in the message', function()
    local x = grid()
    fails('3 indices for a tensor of 2 dimensions', function() return x[{1, 1, 1}] end)
    fails('index 5 is out of range: dimension 2 has 4', function() return x[{1, 5}] end)
    fails('index 5 is out of range: dimension 2 has 4', function() return x[{{}, {1, 5}}] end)
    fails('range {3, 2} is empty', function() return x[{{3, 2}}] end)
    fails('a range is', function() return x[{{1, 2, 3}}] end)
    fails('a range is', function() return x[{{'a', 2}}] end)
    fails('a number or a range expected, got string', function() return x[{'a'}] end)
    fails('a number or a range expected, got boolean', function() return x[{true}] end)
    fails('whole number', function() return x[{1.5}] end)
    fails('index 0 is out of range', function() return x[{{0, 2}}] end)
  end)

  it('with a LongStorage is one element', function()
    local x = grid()
    assert.equal(23, x[torch.LongStorage {2, 3}])
    x[torch.LongStorage {2, 3}] = 5
    assert.equal(5, x[2][3])
    fails('1 indices for a tensor of 2 dimensions', function()
      return x[torch.LongStorage {1}]
    end)
    fails('out of range', function() return x[torch.LongStorage {4, 1}] end)
  end)
end)

describe('x[mask] and x[indices]', function()
  it('are copies of what they name', function()
    local x = grid()
    assert.same({31, 32, 33, 34}, x[torch.gt(x, 30)]:totable())
    assert.same({{31, 32, 33, 34}, {11, 12, 13, 14}}, x[torch.LongTensor {3, 1}]:totable())
    local v = torch.Tensor {5, 6, 7}
    assert.same({7, 7, 5}, v[torch.LongTensor {3, 3, 1}]:totable())
    assert.equal(0, x[torch.gt(x, 100)]:nElement())
  end)

  it('fail where they do not fit', function()
    local x = grid()
    fails('mask', function() return x[torch.ByteTensor {1, 0}] end)
    fails('out of range', function() return x[torch.LongTensor {4}] end)
    fails('out of range', function() return x[torch.LongTensor {0}] end)
    fails('index', function() return x[torch.Tensor {0 / 0}] end)
  end)
end)

describe('x[...] = value', function()
  it('fills with a number', function()
    local x = torch.zeros(3, 4)
    x[1] = 7
    x[{2, 3}] = 5
    x[{3, {1, 2}}] = 9
    x[{{}, 4}] = 1
    assert.same({{7, 7, 7, 1}, {0, 0, 5, 1}, {9, 9, 0, 1}}, x:totable())
    x[torch.gt(x, 4)] = -1
    assert.same({{-1, -1, -1, 1}, {0, 0, -1, 1}, {-1, -1, 0, 1}}, x:totable())
    x[torch.LongTensor {1, 3}] = 2
    assert.same({{2, 2, 2, 2}, {0, 0, -1, 1}, {2, 2, 2, 2}}, x:totable())
    x[{}] = 3
    assert.equal(36, x:sum())
  end)

  it('copies a tensor of any type and as many elements', function()
    local x = torch.zeros(2, 3)
    x[1] = torch.LongTensor {1, 2, 3}
    x[{2, {1, 2}}] = torch.DoubleTensor {{4}, {5}}
    assert.same({{1, 2, 3}, {4, 5, 0}}, x:totable())
    x[torch.gt(x, 2)] = torch.Tensor {7, 8, 9}
    assert.same({{1, 2, 7}, {8, 9, 0}}, x:totable())
    x[torch.LongTensor {2, 1}] = torch.Tensor {{1, 1, 1}, {2, 2, 2}}
    assert.same({{2, 2, 2}, {1, 1, 1}}, x:totable())
    x[{{}, 2}] = torch.Tensor {5, 6}
    assert.same({{2, 5, 2}, {1, 6, 1}}, x:totable())
  end)

  it('fails where they do not fit', function()
    local x = torch.zeros(2, 3)
    fails('copy', function() x[1] = torch.zeros(4) end)
    fails('out of range', function() x[3] = 1 end)
    fails('out of range', function() x[{1, 4}] = 1 end)
    fails('a number or a tensor expected to assign, got string', function() x[1] = 'a' end)
    fails('a number or a tensor expected to assign, got nil', function() x[1] = nil end)
    fails('a number or a tensor expected to assign', function() x[torch.gt(x, 0)] = 'a' end)
    fails("no field 'grid'", function() x.grid = 1 end)
    fails('mask', function() x[torch.ByteTensor {1, 1, 1, 1}] = 1 end)
    assert.equal(0, x:sum())
  end)

  it('wraps whole numbers as C does', function()
    local x = torch.ByteTensor {0, 0}
    x[1] = 300
    x[2] = -1
    assert.same({44, 255}, x:totable())
  end)
end)

describe('properties', function()
  it('tell what a tensor is', function()
    local x = torch.zeros(2, 3)
    assert.equal('float32', x.dtype)
    assert.equal('cpu', x.device)
    assert.is_false(x.requires_grad)
    assert.is_true(x.is_leaf)
    assert.same({2, 3}, x.shape:totable())
    assert.is_nil(x.grad)
    assert.is_nil(x.nothing)
  end)

  it('can be added to a type', function()
    torch.getmetatable('torch.FloatTensor').twice = function(self) return self * 2 end
    assert.equal(8, torch.FloatTensor {4}:twice()[1])
    torch.getmetatable('torch.FloatTensor').twice = nil
  end)
end)

describe('operators', function()
  local a, b = torch.Tensor {1, 2, 3}, torch.Tensor {4, 5, 6}

  it('calculate element by element', function()
    assert.same({5, 7, 9}, (a + b):totable())
    assert.same({-3, -3, -3}, (a - b):totable())
    assert.same({2, 3, 4}, (a + 1):totable())
    assert.same({0, -1, -2}, (1 - a):totable())
    assert.same({2, 4, 6}, (a * 2):totable())
    assert.same({2, 4, 6}, (2 * a):totable())
    assert.same({4, 2.5, 2}, (b / a):totable())
    assert.same({6, 3, 2}, (6 / a):totable())
    assert.same({1, 4, 9}, (a ^ 2):totable())
    assert.same({2, 4, 8}, (2 ^ a):totable())
    assert.same({1, 0, 1}, (a % 2):totable())
    assert.same({2, 1, 0}, (-a % 3):totable())
    assert.same({-1, -2, -3}, (-a):totable())
  end)

  it('* is the matrix product', function()
    local m = torch.Tensor {{1, 2, 3}, {0, 1, 0}}
    assert.equal(32, a * b)
    assert.same({14, 2}, (m * a):totable())
    assert.same({{14, 2}, {2, 1}}, (m * m:t()):totable())
    fails('matmul: ', function() return m * m end)
    fails('add: ', function() return a + torch.zeros(2, 4) end)
  end)

  it('== asks for the same object, # gives the sizes', function()
    assert.is_true(a == a)
    assert.is_false(a == a:clone())
    local t = {a}
    assert.is_true(t[1] == a)
    assert.same({2, 3}, (#torch.zeros(2, 3)):totable())
  end)

  it('refuse what is no tensor', function()
    fails('add', function() return a + 'x' end)
    fails('add', function() return a + {} end)
    fails('mul', function() return a * nil end)
    fails('div', function() return {} / a end)
  end)
end)
