-- Reading and writing by index, and joining, on a GPU: values and gradients against the CPU's.
local torch = require 'torch'
local unpack = table.unpack or unpack

if not torch.cuda.is_available() then return end

local FLOATS = { 'float32', 'float64', 'float16', 'bfloat16' }
local ALL = { 'float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'uint8' }
-- Sums are made in another order than the CPU's; what only moves is the same in every bit.
local SUMS = { float64 = 1e-13, float32 = 3e-5, float16 = 2e-3, bfloat16 = 2e-2 }

local function same(a, b, tolerance, what)
  assert.are.equal('cuda:0', a.device, what)
  assert.are.equal(b.dtype, a.dtype, what)
  a = a:detach():cpu()
  assert.are.same(b:size():totable(), a:size():totable(), what)
  a, b = a:double():reshape(-1), b:detach():double():reshape(-1)
  if b:nElement() == 0 then return end
  local equal = torch.cmax(torch.eq(a, b), torch.cmul(torch.ne(a, a), torch.ne(b, b)))
  local size = torch.abs(b):maskedFill(equal, 0):clamp(1, math.huge)
  local apart = torch.cdiv(torch.abs(torch.csub(a, b)), size):maskedFill(equal, 0)
  local most = apart:max()
  assert.is_true(most <= (tolerance or 0), ('%s: apart by %g'):format(what, most))
end

local function moved(value)
  if torch.isTensor(value) then return value:cuda() end
  if type(value) ~= 'table' then return value end
  local out = {}
  for k, v in pairs(value) do out[k] = moved(v) end
  return out
end

local function tracked(value, leaves)
  if torch.isTensor(value) and value.dtype:match('float') then
    local t = value:detach():clone()
    t.requires_grad = true
    leaves[#leaves + 1] = t
    return t
  end
  if type(value) ~= 'table' or torch.isTensor(value) then return value end
  local out = {}
  for k, v in ipairs(value) do out[k] = tracked(v, leaves) end
  return out
end

-- Gradients of a weighted sum of squares, and of the squares of those.
local function gradients(f, arguments, once)
  local leaves = {}
  arguments = tracked(arguments, leaves)
  local y = f(unpack(arguments))
  local n = y:nElement()
  local w = torch.zeros(y:size()):to(y.dtype)
  if n > 0 then w:copy(torch.range(1, n):mul(1 / n)) end
  if y.device ~= 'cpu' then w = w:cuda() end
  local sum = torch.cmul(torch.cmul(y, y), w):sum()
  local plain = torch.grad(sum, leaves, nil, { retain_graph = true })
  if once then return { plain } end
  local first = torch.grad(sum, leaves, nil, { create_graph = true })
  local all
  for _, g in ipairs(first) do
    local size = torch.cmul(g, g):sum()
    all = all and torch.add(all, size) or size
  end
  return { plain, first, torch.grad(all, leaves) }
end

-- f of these arguments here and there; `tolerance` of each dtype, or nil for equality.
local function compare(what, f, arguments, tolerance, options)
  options = options or {}
  local before = torch.cuda.detours()
  local expected = { f(unpack(arguments)) }
  local got = { f(unpack(moved(arguments))) }
  for k = 1, #expected do
    same(got[k], expected[k], tolerance and tolerance[expected[k].dtype], what .. ', result ' .. k)
  end
  if options.gradient then
    local here = gradients(f, arguments, options.once)
    local there = gradients(f, moved(arguments), options.once)
    for k = 1, #here do
      for i = 1, #here[k] do
        same(there[k][i], here[k][i], SUMS[here[k][i].dtype],
          ('%s, gradient %d, way %d'):format(what, i, k))
      end
    end
  end
  local after = torch.cuda.detours()
  for name in (options.of or what):gmatch('[%w_]+') do
    assert.are.equal(before[name], after[name], name .. ' went by way of the CPU')
  end
end

local function numbers(dtype, ...)
  local x = torch.Tensor(...):uniform(-4, 4)
  return dtype:match('^u?int') and x:abs():mul(20):to(dtype) or x:to(dtype)
end

local function indices(n, most)
  return torch.Tensor(n):uniform(1, most + 0.999):floor():long()
end

describe('on a GPU', function()
  it('index takes rows', function()
    torch.manualSeed(1)
    for _, dtype in ipairs(ALL) do
      local x = numbers(dtype, 30, 8, 5)
      compare('index', torch.index, { x, 1, indices(77, 30) })
      compare('index', torch.index, { x, 2, indices(3, 8) })
      compare('index', torch.index, { x, 3, indices(700, 5):int() })
      compare('index', torch.index, { x:transpose(1, 3), 1, indices(7, 5) })
      compare('index', torch.index, { x, -1, torch.LongTensor(0) })
      compare('index', torch.index, { numbers(dtype, 9), 1, indices(40, 9) })
      compare('index', torch.index, { numbers(dtype, 40, 96), 1, indices(70, 40) })
      compare('index', torch.index, { numbers(dtype, 7, 1):expand(7, 6), 1, indices(4, 7) })
    end
    for _, dtype in ipairs(FLOATS) do
      local x = numbers(dtype, 11, 6)
      compare('index', torch.index, { x, 1, indices(100, 11) }, nil, { gradient = true,
        of = 'index indexAdd' })
      compare('index', torch.index, { x, 2, indices(3, 6) }, nil, { gradient = true,
        of = 'index indexAdd' })
    end
  end)

  it('indexAdd adds rows, many to one', function()
    torch.manualSeed(2)
    for _, dtype in ipairs(ALL) do
      local x = numbers(dtype, 13, 4, 3)
      compare('indexAdd', torch.indexAdd, { x, 1, indices(9, 13), numbers(dtype, 9, 4, 3) }, SUMS)
      compare('indexAdd', torch.indexAdd, { x, 1, indices(900, 13), numbers(dtype, 900, 4, 3) },
        SUMS)
      compare('indexAdd', torch.indexAdd, { x, 2, indices(100, 2), numbers(dtype, 13, 100, 3) },
        SUMS)
      compare('indexAdd', torch.indexAdd, { x:transpose(1, 3), 1, indices(50, 3):int(),
        numbers(dtype, 4, 50, 13):transpose(1, 2) }, SUMS)
      compare('indexAdd', torch.indexAdd, { numbers(dtype, 5), 1, indices(700, 5),
        numbers(dtype, 700) }, SUMS)
      compare('indexAdd', torch.indexAdd, { x, 1, torch.LongTensor(0),
        torch.zeros(0, 4, 3):to(dtype) })
    end
    -- a list longer than a block sorts, and rows that several blocks fold
    compare('indexAdd', torch.indexAdd, { numbers('float32', 700, 40), 1, indices(5000, 700),
      numbers('float32', 5000, 40) }, SUMS)
    compare('indexAdd', torch.indexAdd, { numbers('float64', 70000), 1, indices(9000, 70000),
      numbers('float64', 9000) }, SUMS)
    compare('indexAdd', torch.indexAdd, { numbers('float32', 3, 40), 1,
      torch.LongTensor(5000):fill(2), numbers('float32', 5000, 40) }, SUMS)
    compare('indexAdd', torch.indexAdd, { numbers('float64', 5, 4), 1, indices(8, 5),
      numbers('float64', 8, 4) }, SUMS, { gradient = true, of = 'index indexAdd' })
  end)

  it('indexAdd gives the same bits each time, in place too', function()
    local i, s = indices(4000, 50):cuda(), torch.randn(4000, 20):cuda()
    local x = torch.randn(50, 20):cuda()
    local y, z = x:clone(), x:clone():t():contiguous():t()
    local first = torch.indexAdd(x, 1, i, s):cpu()
    y:indexAdd(1, i, s)
    z:indexAdd(1, i, s)
    assert.is_true(torch.equal(first, y:cpu()))
    assert.is_true(torch.equal(first, z:cpu()))
  end)

  it('gather takes elements', function()
    torch.manualSeed(3)
    for _, dtype in ipairs(ALL) do
      local x = numbers(dtype, 6, 50, 4)
      local function at(most, ...)
        return indices(torch.LongTensor { ... }:prod(), most):view(...)
      end
      compare('gather', torch.gather, { x, 1, at(6, 9, 50, 4) })
      compare('gather', torch.gather, { x, 2, at(50, 6, 70, 3) })
      compare('gather', torch.gather, { x, 3, at(4, 2, 50, 1) })
      compare('gather', torch.gather, { x:transpose(1, 2), 2, at(6, 50, 3, 4):int() })
      compare('gather', torch.gather, { numbers(dtype, 5), 1, indices(1000, 5) })
      compare('gather', torch.gather, { numbers(dtype, 5, 3), 1,
        torch.zeros(0, 3, { dtype = 'int64' }) })
    end
    for _, dtype in ipairs(FLOATS) do
      compare('gather', torch.gather, { numbers(dtype, 5, 7), 2, indices(20, 7):view(5, 4) }, nil,
        { gradient = true, of = 'gather scatter_add' })
    end
  end)

  it('scatter_add adds elements', function()
    torch.manualSeed(4)
    for _, dtype in ipairs(ALL) do
      local x = numbers(dtype, 6, 50, 4)
      compare('scatter_add', torch.scatter_add, { x, 2, indices(6 * 70 * 4, 50):view(6, 70, 4),
        numbers(dtype, 6, 70, 4) }, SUMS)
      compare('scatter_add', torch.scatter_add, { x, 1, indices(900, 6):view(9, 25, 4),
        numbers(dtype, 9, 4, 25):transpose(2, 3) }, SUMS)
      compare('scatter_add', torch.scatter_add, { x:transpose(1, 2), 1,
        indices(300, 50):view(50, 3, 2), numbers(dtype, 50, 3, 2) }, SUMS)
      local y = numbers(dtype, 4, 6)
      local z = y:cuda():t():contiguous():t()
      local i, s = indices(12, 6):view(4, 3), numbers(dtype, 4, 3)
      z:scatter_add(2, i:cuda(), s:cuda())
      same(z, torch.scatter_add(y, 2, i, s), SUMS[dtype], 'scatter_add in place')
    end
    compare('scatter_add', torch.scatter_add, { numbers('float64', 3, 5), 2,
      indices(12, 5):view(3, 4), numbers('float64', 3, 4) }, SUMS,
      { gradient = true, of = 'gather scatter_add' })
  end)

  it('indexCopy, indexFill, scatter and put write, of equal indices the last', function()
    torch.manualSeed(7)
    for _, dtype in ipairs(ALL) do
      local x, row = numbers(dtype, 13, 4, 3), numbers(dtype, 40, 4, 3)
      compare('indexCopy', torch.indexCopy, { x, 1, indices(40, 13), row })
      compare('indexCopy', torch.indexCopy, { x:transpose(1, 3), 3, indices(40, 13),
        row:transpose(1, 3) })
      compare('indexFill', torch.indexFill, { x, 2, indices(3, 4), 5 })
      compare('indexFill', torch.indexFill, { x:transpose(1, 2), 2, indices(3, 13):int(), 5 })
      compare('indexFill', torch.indexFill, { x, 2, torch.LongTensor(0), 5 })
      compare('scatter', torch.scatter, { x, 1, indices(240, 13):view(30, 4, 2),
        numbers(dtype, 30, 4, 2) })
      compare('scatter', torch.scatter, { x:transpose(1, 2), 3, indices(120, 3):view(4, 10, 3), 7 })
      compare('put', torch.put, { x, indices(500, 156):view(50, 10), numbers(dtype, 500) })
      compare('put', torch.put, { x:transpose(1, 2), indices(500, 156), numbers(dtype, 500), true },
        SUMS)
      compare('put', torch.put, { x, indices(50, 156), 3 })
      local y = x:cuda():t():contiguous():t()
      y:put(indices(1, 1):cuda(), numbers(dtype, 1):cuda())
      y:scatter(1, torch.ones(1, 4, 3):long():cuda(), 2)
      y:indexFill(2, torch.LongTensor { 4 }:cuda(), 1)
      y:indexCopy(3, torch.LongTensor { 3, 3 }:cuda(), x[{ {}, {}, { 1, 2 } }]:cuda())
      local z = x:clone()
      z[1]:fill(2)
      z:select(2, 4):fill(1)
      z:select(3, 3):copy(x:select(3, 2))
      same(y, z, 0, 'in place')
    end
    for _, f in ipairs {
      { 'indexCopy', torch.indexCopy, { numbers('float64', 5, 4), 1, torch.LongTensor { 2, 4 },
        numbers('float64', 2, 4) }, 'indexCopy indexFill index' },
      { 'indexFill', torch.indexFill, { numbers('float64', 5, 4), 1, torch.LongTensor { 2, 4 }, 3 },
        'indexFill' },
      { 'scatter', torch.scatter, { numbers('float64', 5, 4), 1,
        torch.LongTensor { { 1, 2, 3, 4 }, { 5, 4, 2, 1 } }, numbers('float64', 2, 4) },
        'scatter gather' },
      { 'put', torch.put, { numbers('float64', 5, 4), torch.LongTensor { 3, 8 },
        numbers('float64', 2) }, 'put index' },
      { 'put', torch.put, { numbers('float64', 5, 4), indices(9, 20), numbers('float64', 9), true },
        'put index' },
    } do compare(f[1], f[2], f[3], SUMS, { gradient = true, of = f[4] }) end
  end)

  it('masks pick and put', function()
    torch.manualSeed(8)
    for _, dtype in ipairs(ALL) do
      local x = numbers(dtype, 11, 50, 4)
      local mask = torch.gt(torch.rand(11, 50, 4), 0.6)
      compare('maskedSelect', torch.maskedSelect, { x, mask })
      compare('maskedSelect', torch.maskedSelect, { x:transpose(1, 2), mask:transpose(1, 2) })
      compare('maskedSelect', torch.maskedSelect, { x, mask:view(-1) })
      compare('maskedSelect', torch.maskedSelect, { x, mask[1]:narrow(1, 1, 1) })
      compare('maskedSelect', torch.maskedSelect, { x, torch.zeros(11, 50, 4):byte() })
      compare('maskedCopy', torch.maskedCopy, { x, mask, numbers(dtype, 3000) })
      compare('maskedCopy', torch.maskedCopy, { x:transpose(1, 3), mask:transpose(1, 3),
        numbers(dtype, 60, 50):t() })
      compare('nonzero', torch.nonzero, { torch.cmul(x, mask:to(dtype)) })
      compare('nonzero', torch.nonzero, { torch.cmul(x, mask:to(dtype)):transpose(1, 3) })
      compare('nonzero', torch.nonzero, { numbers(dtype, 5000) })
    end
    compare('nonzero', torch.nonzero, { torch.Tensor { 0 / 0, 0, -0.0, 1e-45, -1 / 0 } })
    compare('nonzero', torch.nonzero, { torch.zeros(3, 0) })
    local mask = torch.ByteTensor { 1, 0, 1, 1, 0, 0, 1 }
    for _, dtype in ipairs { 'float64', 'float16' } do
      compare('maskedSelect', torch.maskedSelect, { numbers(dtype, 7), mask }, nil,
        { gradient = true, of = 'maskedSelect maskedCopy' })
      compare('maskedCopy', torch.maskedCopy, { numbers(dtype, 7), mask, numbers(dtype, 6) }, nil,
        { gradient = true, of = 'maskedSelect maskedCopy' })
    end
    local y = torch.maskedCopy(torch.ones(7):cuda(), mask:cuda(), torch.ones(2):cuda())
    local ok, message = pcall(y.cpu, y)
    assert.is_false(ok)
    assert.is_truthy(message:find('maskedCopy', 1, true), message)
  end)

  it('index tensors and masks stand in subscripts', function()
    torch.manualSeed(9)
    local x = torch.range(1, 5 * 6 * 7):view(5, 6, 7):double()
    local i, j = torch.LongTensor { 1, 3, -1 }, torch.LongTensor { { 2 }, { -2 } }
    local rows = torch.ByteTensor { 1, 0, 0, 1, 1 }
    local whole = torch.gt(torch.rand(5, 6), 0.5)
    local cases = {
      { i }, { { i } }, { { {}, i } }, { { {}, {}, j } }, { { i, {}, j } }, { { j, i } },
      { { {}, j, i } }, { { rows } }, { { rows, 2 } }, { { whole } }, { { whole, 3 } },
      { { 2, i } }, { { i:int(), { 2, 4 }, i } }, { { rows, {}, i } }, { { whole, i[1] } },
      { torch.LongTensor(0) }, { { {}, torch.LongTensor { 3 } } },
    }
    for n, case in ipairs(cases) do
      local key = case[1]
      if not torch.isTensor(key) then -- three flags are as many as the last index tensor has
        local many = key[1] == rows and key[3] == i
        if many then assert.are.equal(i:nElement(), rows:sum()) end
      end
      local what = 'subscript ' .. n
      compare(what, function(a, k) return a[k] end, { x, key }, nil,
        { gradient = true, of = 'index indexAdd nonzero' })
      compare(what, function(a, k)
        a = a:clone()
        a[k] = -1
        return a
      end, { x, key }, nil, { of = 'put nonzero' })
      compare(what, function(a, k)
        local values = torch.mul(a[k], -2)
        a = a:transpose(1, 3):contiguous():transpose(1, 3)
        a[k] = values
        return a
      end, { x, key }, nil, { of = 'put nonzero index' })
    end
    local key = torch.LongTensor { 2, 7 }
    local y = x:cuda()[{ {}, key:cuda() }]
    assert.has_error(function() y:cpu() end)
    assert.are.equal('cuda:0', x:cuda()[i].device) -- lists of the host go along
  end)

  it('scatter_reduce folds, NaN and infinities too', function()
    torch.manualSeed(5)
    for _, how in ipairs { 'sum', 'prod', 'mean', 'amax', 'amin' } do
      for _, dtype in ipairs { 'float32', 'float64', 'bfloat16', 'int64', 'int32' } do
        for _, self in ipairs { true, false } do
          local x, i = numbers(dtype, 40, 3), indices(180, 40):view(60, 3)
          local s = dtype:match('float') and torch.Tensor(60, 3):uniform(0.8, 1.2):to(dtype)
            or numbers(dtype, 60, 3):remainder(3)
          if dtype == 'float32' then s[3][1], s[9][2], s[11][3] = 0 / 0, math.huge, -math.huge end
          compare(how, function(a, b, c)
            return torch.scatter_reduce(a, 1, b, c, how, self)
          end, { x, i, s }, SUMS, { of = 'scatter_fold scatter_add' })
        end
      end
      compare(how, function(a, b, c)
        return torch.scatter_reduce(a, 1, b, c, how)
      end, { numbers('float64', 4, 3), indices(15, 4):view(5, 3), numbers('float64', 5, 3) }, SUMS,
        { gradient = true, once = true, of = 'scatter_fold scatter_add gather' })
    end
    compare('scatter_fold', function(x)
      return torch.scatter_reduce(x, 1, torch.LongTensor(5000):fill(2):to(x.device),
        torch.range(1, 5000):to(x.device), 'amax')
    end, { torch.zeros(3) })
  end)

  it('cat joins', function()
    torch.manualSeed(6)
    for _, dtype in ipairs(ALL) do
      local x, y = numbers(dtype, 3, 4, 5), numbers(dtype, 3, 2, 5)
      compare('cat', torch.cat, { { x, y, x }, 2 })
      compare('cat', torch.cat, { { x, x }, 1 })
      compare('cat', torch.cat, { { x, numbers(dtype, 3, 4, 1) }, 3 })
      compare('cat', torch.cat, { { x, y:transpose(1, 3):contiguous():transpose(1, 3) }, 2 })
      compare('cat', torch.cat, { { numbers(dtype, 16, 32), numbers(dtype, 16, 64) }, 2 })
      compare('cat', torch.cat, { { numbers(dtype, 7), torch.Tensor():to(dtype),
        numbers(dtype, 900) } })
      compare('stack', torch.stack, { { x, x, x }, 2 })
      compare('stack', torch.stack, { { x, x:transpose(1, 2):contiguous():transpose(1, 2) }, 4 })
      compare('stack', torch.stack, { { torch.ones(1):to(dtype), numbers(dtype, 1) }, 1 })
    end
    compare('cat', torch.cat, { { numbers('float32', 5), numbers('float64', 6),
      numbers('uint8', 3) } })
    compare('cat', torch.cat, { { torch.Tensor(), torch.Tensor() } })
    compare('cat', torch.cat, { { numbers('float32', 4), numbers('float32', 4) }, 2 })
    local many = {}
    for k = 1, 150 do many[k] = numbers('float32', 3, k % 5) end
    compare('cat', torch.cat, { many, 2 })
    for k = 1, 150 do many[k] = numbers('float16', 3) end
    compare('stack', torch.stack, { many, 2 })
    local parts = { numbers('float64', 2, 3), numbers('float64', 2, 1) }
    compare('cat', function(a, b) return torch.cat({ a, b }, 2) end, parts, nil,
      { gradient = true })
    compare('stack', function(a, b) return torch.stack({ a, b }, 2) end,
      { numbers('float64', 2, 3), numbers('float64', 2, 3) }, nil, { gradient = true })
  end)

  it('an index out of range is told when the program waits for the device', function()
    local x, bad = torch.randn(5, 3):cuda(), torch.LongTensor { 1, 6, 2 }:cuda()
    local wide = torch.LongTensor { { 1, 1, 0 } }:cuda()
    for name, f in pairs {
      index = function() return x:index(1, bad) end,
      indexAdd = function() return torch.indexAdd(x, 1, bad, torch.ones(3, 3):cuda()) end,
      gather = function() return x:gather(1, wide) end,
      scatter_add = function() return torch.scatter_add(x, 1, wide, torch.ones(1, 3):cuda()) end,
    } do
      local y = f()
      local ok, message = pcall(y.cpu, y)
      assert.is_false(ok, name)
      assert.is_truthy(message:find(name .. ': the index', 1, true), message)
      assert.is_truthy(message:find('out of range', 1, true), message)
      assert.are.equal(15, x:cpu():nElement()) -- and all goes on
    end
    local ok, message = pcall(x.index, x, 1, torch.randn(2):cuda())
    assert.is_false(ok)
    assert.is_truthy(message:find('indices of an integer type expected', 1, true), message)
  end)
end)
