-- Index tensors in every place, assignment through them, pieces and joins, and their errors.
local tensors = require 'spec.support.tensors'

local long = torch.LongTensor

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, 'no error: ' .. pattern)
  assert.matches(pattern, message)
end

local function sizes(x)
  return x:size():totable()
end

local function grid() -- 11 12 13 14 / 21 ... / 31 ...
  local x = torch.zeros(3, 4)
  for i = 1, 3 do
    for j = 1, 4 do x[i][j] = 10 * i + j end
  end
  return x
end

describe('x[{...}] with index tensors', function()
  it('takes them among numbers and ranges', function()
    local x = grid()
    assert.same({12, 33}, x[{long {1, 3}, long {2, 3}}]:totable())
    assert.same({24, 22}, x[{2, long {-1, 2}}]:totable())
    assert.same({{23, 21}, {33, 31}}, x[{{2, 3}, long {3, 1}}]:totable())
    assert.same({{11, 13}, {31, 33}}, x[{long {{1}, {3}}, long {1, 3}}]:totable())
    assert.same({{{11, 12, 13, 14}}, {{31, 32, 33, 34}}}, x[long {{1}, {3}}]:totable())
    assert.same({31, 32, 33, 34}, x[{torch.ByteTensor {0, 0, 1}, {}}][1]:totable())
    assert.same({{12, 14}, {22, 24}, {32, 34}},
      x[{{}, torch.BoolTensor {0, 1, 0, 1}}]:totable())
    assert.same({21, 22, 23, 24}, x[torch.ByteTensor {0, 1, 0}][1]:totable())
    assert.equal(23, x[{2, torch.tensor(3, {dtype = 'int64'})}])
    assert.same({0, 4}, sizes(x[long()]))
    assert.same({23}, x[torch.where(torch.eq(x, 23))]:totable())
  end)

  it('is written through', function()
    local x = torch.zeros(3, 4)
    x[{long {1, 3}, long {2, 3}}] = torch.IntTensor {5, 6}
    x[{2, long {-1}}] = 7
    assert.same({{0, 5, 0, 0}, {0, 0, 0, 7}, {0, 0, 6, 0}}, x:totable())
    x[{{2, 3}, long {1, 2}}] = torch.DoubleTensor {{1, 2}, {3, 4}}
    assert.same({{0, 5, 0, 0}, {1, 2, 0, 7}, {3, 4, 6, 0}}, x:totable())
    x[{{}, long {1, 4}}] = torch.Tensor {8, 9}
    assert.same({{8, 5, 0, 9}, {8, 2, 0, 9}, {8, 4, 6, 9}}, x:totable())
    x[torch.ByteTensor {1, 0, 1}] = 0
    assert.same({{0, 0, 0, 0}, {8, 2, 0, 9}, {0, 0, 0, 0}}, x:totable())
    x[torch.gt(x, 5)] = torch.Tensor {-1}
    assert.same({-1, 2, 0, -1}, x[2]:totable())
    x:t()[{long {1, 2}, {3}}] = 4
    assert.same({4, 4, 0, 0}, x[3]:totable())
  end)

  it('adds up where a place is named twice, if that is asked for', function()
    local x = torch.zeros(2, 3)
    assert.is_true(rawequal(x, x:index_put({long {1, 1, 2}, long {2, 2, 3}}, 1, true)))
    assert.same({{0, 2, 0}, {0, 0, 1}}, x:totable())
    local y = torch.index_put(x, {long {1, 1}, long {2, 2}}, torch.Tensor {5, 6}, true)
    assert.same({{0, 13, 0}, {0, 0, 1}}, y:totable())
    assert.same({{0, 2, 0}, {0, 0, 1}}, x:totable())
    local half = torch.zeros(2):half()
    half:index_put({long {1, 1, 1}}, 1, true)
    assert.same({3, 0}, half:totable())
  end)

  it('works in every type', function()
    for _, dtype in ipairs {'uint8', 'int8', 'int16', 'int32', 'int64', 'bool', 'float16',
        'bfloat16', 'float32', 'float64'} do
      local x = torch.zeros(2, 3, {dtype = dtype})
      x[{long {1, 2}, long {3, 1}}] = 1
      assert.same({{0, 0, 1}, {1, 0, 0}}, x:totable(), dtype)
      assert.same({1, 0}, x[{long {1, 2}, long {3, 2}}]:totable(), dtype)
    end
  end)

  it('names dimension, index and size', function()
    local x = torch.zeros(2, 3, 4)
    fails('index 3 is out of range: dimension 1 has 2', function() return x[{long {3}}] end)
    fails('index 5 is out of range: dimension 3 has 4', function() return x[{1, {}, long {5}}] end)
    fails('index 0 is out of range: dimension 2 has 3', function() return x[{1, long {0}}] end)
    fails('index %-4 is out of range: dimension 2 has 3', function() x[{1, long {-4}}] = 1 end)
    fails('%[2%] and %[3%] do not fit', function() return x[{long {1, 2}, long {1, 2, 3}}] end)
    fails('mask of size %[2%] does not fit', function()
      return x[{{}, torch.ByteTensor {1, 0}}]
    end)
    fails('3 dimensions', function() return x[{1, 1, 1, long {1}}] end)
    fails('whole numbers expected, got float32', function() return x[{torch.zeros(1)}] end)
    fails('cannot be expanded', function() x[{long {1, 2}, 1}] = torch.zeros(3) end)
    fails('a number or a tensor expected', function() x[{long {1}}] = 'x' end)
    fails('got function', function() return x[print] end)
    fails('got function', function() x[print] = 1 end)
  end)
end)

describe('gradients through indices', function()
  it('reach what was read, each time it was', function()
    local x = torch.randn(3, 4, {dtype = 'float64'})
    local function check(f) assert.is_true(torch.gradcheck(f, {x})) end
    check(function(a) return a[{long {1, 1, 3}, long {2, 2, 1}}] end)
    check(function(a) return a[{{2, 3}, long {4, 4}}] end)
    check(function(a) return a[{long {2, 2}, {1, 3}}] end)
    check(function(a) return a[torch.ByteTensor {1, 0, 1}] end)
    check(function(a) return a[torch.LongStorage {2, 3}] * 2 end)
    check(function(a) return a:t()[{long {1, 2}, long {3, 3}}] end)
  end)

  it('reach what was written, and no longer what was overwritten', function()
    local x, s = torch.randn(3, 4, {dtype = 'float64'}), torch.randn(2, 2, {dtype = 'float64'})
    local function check(f) assert.is_true(torch.gradcheck(f, {x, s}, {second = true})) end
    check(function(a, b)
      local y = torch.cmul(a, a)
      y[{long {1, 3}, long {2, 1}}] = torch.cmul(b[1], b[1])
      return y
    end)
    check(function(a, b)
      local y = torch.cmul(a, a)
      y[{{}, long {4, 2}}] = b[1]
      return y
    end)
    check(function(a, b)
      local y = torch.cmul(a, a)
      y[{{2, 3}, long {3, 1}}] = torch.cmul(b, b)
      return y
    end)
    check(function(a, b)
      local y = torch.cmul(a, a)
      y:index_put({long {1, 1}, long {2, 2}}, b[2], true)
      return y
    end)
    check(function(a, b)
      local y = torch.cmul(a, a)
      y[torch.ByteTensor {1, 0, 0}] = 3
      return y * b:sum()
    end)
    check(function(a, b)
      local y = torch.cmul(a, a)
      y[torch.LongStorage {1, 1}] = b[1][1]
      y[{2, 2}] = b[2][2]
      return y
    end)
  end)
end)

describe('scattered reductions', function()
  it('wrap whole numbers around, and take NaN for the extreme', function()
    local x, i = torch.IntTensor {100, 1}, long {1, 1}
    assert.same({100 * 2 ^ 30 * 2 % 2 ^ 32, 1}, torch.scatter_reduce(x, 1, i,
      torch.IntTensor {2 ^ 30, 2}, 'prod'):totable())
    local y = torch.scatter_reduce(torch.zeros(2), 1, i, torch.Tensor {0 / 0, 5}, 'amax')
    assert.is_true(y[1] ~= y[1])
    assert.same({-4, 1}, torch.scatter_reduce(torch.IntTensor {-7, 1}, 1, long {1},
      torch.IntTensor {0}, 'mean'):totable())
  end)

  it('change the receiver', function()
    local x = torch.ones(3)
    assert.is_true(rawequal(x, x:scatter_reduce(1, long {1, 1}, torch.Tensor {2, 3}, 'prod')))
    assert.same({6, 1, 1}, x:totable())
    x:scatter(1, long {2, 3}, torch.Tensor {4, 5}, 'add')
    assert.same({6, 5, 6}, x:totable())
    x:index_reduce(1, long {1}, torch.Tensor {10}, 'amax', false)
    assert.same({10, 5, 6}, x:totable())
  end)

  it('say what does not fit', function()
    fails('none of sum,prod', torch.scatter_reduce, torch.zeros(2), 1, long {1}, torch.ones(1),
      'median')
    fails('out of range', torch.scatter_reduce, torch.zeros(2), 1, long {3}, torch.ones(1), 'sum')
    fails('out of range', torch.put, torch.zeros(2), long {3}, 1)
    fails('index 4 is out of range', torch.take, torch.zeros(3), long {4})
  end)
end)

describe('pieces', function()
  local x = torch.range(1, 10):view(2, 5)

  it('come in a table, a new one or a given one', function()
    local list = {'old', 'old', 'old', 'old', 'old', 'old'}
    assert.is_true(rawequal(list, torch.split(list, x, 2, 2)))
    assert.equal(3, #list)
    assert.same({{5}, {10}}, list[3]:totable())
    assert.equal(2, #torch.chunk(x, 2, -2))
    assert.equal(3, #x:chunk(3, 2))
    assert.same({{2, 3, 4}, {7, 8, 9}}, x:split({1, 3, 1}, 2)[2]:totable())
    assert.same({6, 7, 8, 9, 10}, x:unbind()[2]:totable())
    assert.same({3, 8}, x:unbind(-1)[3]:totable())
    x:split(1)[2]:fill(6)
    assert.equal(6, x[2][5])
  end)

  it('fail with the sizes', function()
    fails('add up to 2, but the dimension has 5', x.split, x, {1, 1}, 2)
    fails('dimension 3 is out of range', x.split, x, 1, 3)
    fails('above 0', x.split, x, 0)
    fails('above 0', x.chunk, x, -1)
    fails('number', x.split, x, 'a')
    fails('is no multiple', torch.hsplit, x, 2)
    fails('dimension 4 is out of range', torch.unbind, x, 4)
    fails('tensor expected', torch.unbind, 3)
  end)
end)

describe('joins', function()
  it('take many tensors', function()
    local list = {}
    for k = 1, 200 do list[k] = torch.Tensor {k} end
    assert.same({200, 1}, sizes(torch.stack(list)))
    assert.equal(200, torch.hstack(list)[200])
    assert.same({200, 1}, sizes(torch.vstack(list)))
    assert.same({1, 1, 200}, sizes(torch.dstack(list)))
  end)

  it('promote, and fail where sizes differ', function()
    assert.equal('float32', torch.stack({torch.zeros(2), long {1, 2}}).dtype)
    fails('%[2%] and %[3%]', torch.stack, torch.zeros(2), torch.zeros(3))
    fails('do not fit', torch.vstack, torch.zeros(2), torch.zeros(3))
    fails('do not fit', torch.broadcast_tensors, torch.zeros(2), torch.zeros(3))
    assert.same({2, 3, 4}, torch.broadcast_shapes({3, 1}, {2, 1, 4}, 1):totable())
  end)
end)

describe('views', function()
  it('of one element are numbers', function()
    assert.equal(5, torch.Tensor {5}:squeeze())
    assert.equal(5, torch.Tensor {5}:view(1, 1):squeeze())
    assert.equal(5, torch.Tensor {5}:squeeze(1))
    assert.equal(6, torch.Tensor {5, 6}:select(1, -1))
    assert.equal(5, torch.select(torch.Tensor {5, 6}, 1, 1))
    assert.same({2}, sizes(torch.zeros(1, 2, 1):squeeze({1, 3})))
    local x = torch.tensor({5}, {requires_grad = true})
    assert.is_true(x:squeeze().requires_grad)
    local res = torch.Tensor()
    assert.is_true(rawequal(res, torch.squeeze(res, torch.zeros(1, 2))))
    assert.same({2}, sizes(res))
  end)

  it('become the destination', function()
    local x, res = grid(), torch.Tensor()
    res:viewAs(x, torch.zeros(2, 6))
    res[1][1] = 5
    assert.equal(5, x[1][1])
    torch.expandAs(res, torch.Tensor {{1}, {2}}, torch.zeros(2, 3))
    assert.same({{1, 1, 1}, {2, 2, 2}}, res:totable())
    torch.view(res, x, torch.LongStorage {4, 3})
    assert.same({4, 3}, sizes(res))
    torch.diagonal(res, x)
    assert.same({5, 22, 33}, res:totable())
  end)

  it('of strides stay inside of the storage', function()
    local x = torch.range(1, 6)
    assert.same({{2, 4}, {3, 5}}, x:as_strided({2, 2}, {1, 2}, 2):totable())
    fails('outside its storage', x.as_strided, x, {2, 4}, {1, 2})
    fails('outside its storage', x.as_strided, x, {2}, {-1})
    fails('no offset', x.as_strided, x, {2}, {1}, 0)
    fails('as many strides', x.as_strided, x, {2}, {1, 1})
  end)

  it('see strided and empty tensors', function()
    local x = tensors.strided(grid())
    assert.same({14, 13, 12, 11}, x:flip(2)[1]:totable())
    assert.same({31, 32, 33, 34}, x:roll(1, 1)[1]:totable())
    assert.same({0, 3}, sizes(torch.zeros(0, 3):flip(1)))
    assert.same({0, 3}, sizes(torch.zeros(0, 3):roll(1, 1)))
    assert.equal(0, torch.zeros(0, 3):flatten():nElement())
    assert.same({3, 0}, sizes(torch.zeros(0, 3):rot90()))
    assert.same({4, 0}, sizes(torch.tile(torch.zeros(2, 0), 2, 1)))
  end)

  it('refuse what they cannot show', function()
    local x = grid()
    fails('dimension 2 is named twice', torch.flip, x, 2, 2)
    fails('out of range', torch.flip, x, 3)
    fails('cannot become %[5%]', torch.unflatten, x, 1, 5)
    fails('comes after', torch.flatten, x, 2, 1)
    fails('different dimensions', torch.diagonal, x, 0, 1, 1)
    fails('out of range', torch.roll, x, 1, 3)
    fails('as many', torch.roll, x, {1, 2}, 1)
    fails('repetitions', torch.repeat_interleave, x, -1)
    fails('named twice', torch.movedim, x, {1, 1}, {1, 2})
    fails('classes expected', torch.one_hot, long())
    fails('out of range', torch.one_hot, long {5}, 4)
  end)
end)

describe('types', function()
  it('answer questions', function()
    assert.equal('float16', torch.promote_types('int64', 'float16'))
    assert.equal('float32', torch.promote_types('float16', 'bfloat16'))
    assert.equal('float32', torch.result_type(long {1}, 2.5))
    assert.equal('int64', torch.result_type(2, long {1}))
    assert.is_false(torch.can_cast('float32', 'torch.LongTensor'))
    assert.is_true(torch.can_cast('int64', 'float16'))
    assert.equal(2 ^ -23, torch.finfo('float32').eps)
    assert.equal(-128, torch.iinfo('int8').min)
    assert.equal(255, torch.iinfo(torch.zeros(1):byte()).max)
    fails('no floating%-point type', torch.finfo, 'int8')
    fails("no such type: 'x'", torch.iinfo, 'x')
    assert.is_true(torch.is_tensor(torch.zeros(1)))
    assert.is_false(torch.is_tensor(1))
    assert.is_true(torch.zeros(1):is_floating_point())
  end)
end)

-- Long rows are gathered and scattered in pieces.
describe('gather and scatter_add of long rows', function()
  for _, case in ipairs { { 1, 70, 333 }, { 2, 70, 333 }, { 2, 3, 20001 } } do
    local dim, rows, columns = case[1], case[2], case[3]
    it(('of %d x %d along dimension %d'):format(rows, columns, dim), function()
      local x = torch.rand(rows, columns)
      local index = long(rows, columns):random(1, x:size(dim))
      local flat = dim == 2 and torch.add(index, -1) or torch.mul(torch.add(index, -1), columns)
      local other = torch.range(0, (dim == 2 and rows or columns) - 1):long()
      other = dim == 2 and torch.mul(other, columns):view(rows, 1) or other:view(1, columns)
      flat = torch.add(torch.add(flat, other:expandAs(flat)), 1):view(-1)
      local want = torch.index_select(x:view(-1), 1, flat):view(rows, columns)
      assert.equal(1, torch.eq(want, torch.gather(x, dim, index)):min())
      local ones = torch.ones(rows, columns)
      want = torch.zeros(rows * columns):indexAdd(1, flat, ones:view(-1)):view(rows, columns)
      local sums = torch.zeros(rows, columns):scatter_add(dim, index, ones)
      assert.equal(1, torch.eq(want, sums):min())
      index:view(-1)[rows * columns - 2] = x:size(dim) + 1
      fails('index %d+ is out of range: dimension ' .. dim, torch.gather, x, dim, index)
      fails('index %d+ is out of range: dimension ' .. dim, torch.scatter_add, x, dim, index, ones)
    end)
  end
end)
