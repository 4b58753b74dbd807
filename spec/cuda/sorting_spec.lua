-- Sorting and what is made of it on a GPU: the CPU's results, in every bit, and its gradients.
local torch = require 'torch'
local unpack = table.unpack or unpack

if not torch.cuda.is_available() then return end

local DTYPES = { 'float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8',
  'uint8' }

-- Of these also lines that are too long for shared memory.
local LONG = { float32 = true, float64 = true, bfloat16 = true, uint8 = true }

local function same(a, b, what)
  assert.are.equal('cuda:0', a.device, what)
  assert.are.equal(b.dtype, a.dtype, what)
  a = a:detach():cpu()
  assert.are.same(b:size():totable(), a:size():totable(), what)
  a, b = a:double():reshape(-1), b:detach():double():reshape(-1)
  local equal = torch.cmax(torch.eq(a, b), torch.cmul(torch.ne(a, a), torch.ne(b, b)))
  if equal:nElement() == 0 or equal:min() == 1 then return assert.is_true(true) end
  local at = torch.nonzero(torch.eq(equal, 0))[1][1]
  error(('%s: element %d is %.17g, not %.17g'):format(what, at, a[at], b[at]), 2)
end

local function compare(name, x, ...)
  local before, f = torch.cuda.detours(), torch[name]
  local expected, got = { f(x, ...) }, { f(x:cuda(), ...) }
  local sizes = table.concat(x:size():totable(), 'x')
  for k = 1, #expected do
    same(got[k], expected[k], ('%s of %s %s, result %d'):format(name, x.dtype, sizes, k))
  end
  local after = torch.cuda.detours()
  for _, op in ipairs { name, name .. '_dim', 'sort' } do
    assert.are.equal(before[op], after[op], op .. ' went by way of the CPU')
  end
end

-- Numbers that repeat, NaN, infinities and both zeros among them.
local function numbers(dtype, ...)
  local x = torch.Tensor(...):uniform(-50, 50):floor()
  local flat = x:view(-1)
  local n = flat:nElement()
  if dtype:match('float') then
    x:mul(0.25)
    for i = 3, n, 17 do flat[i] = ({ 0 / 0, math.huge, -math.huge, -0.0, 0 })[i % 5 + 1] end
  elseif dtype == 'uint8' then
    x:abs()
  end
  return x:to(dtype)
end

local function gradient(f, x, device)
  x = x:detach():clone():to(device)
  x.requires_grad = true
  local y = f(x)
  local w = torch.range(1, y:nElement()):view(y:size()):to(y.dtype):to(device)
  local sum = torch.cmul(torch.cmul(y, y), w):sum()
  local plain = torch.grad(sum, x, nil, { retain_graph = true })
  local g = torch.grad(sum, x, nil, { create_graph = true })
  return { plain, g:detach(), torch.grad(torch.cmul(g, g):sum(), x) }
end

local function compare_gradients(what, f)
  local x = torch.randn(4, 9):double()
  local here, there = gradient(f, x, 'cpu'), gradient(f, x, 'cuda')
  for k = 1, 3 do
    assert.is_true(torch.abs(there[k]:cpu() - here[k]):max() < 1e-9, what .. ', way ' .. k)
  end
end

describe('on a GPU', function()
  for _, dtype in ipairs(DTYPES) do
    it('lines of ' .. dtype .. ' are sorted, and equal elements keep their order', function()
      torch.manualSeed(1)
      for _, descending in ipairs { false, true } do
        compare('sort', numbers(dtype, 7, 33), 2, descending)
        compare('sort', numbers(dtype, 3, 1000), 2, descending)
        compare('sort', numbers(dtype, 40, 5, 3), 1, descending)
        compare('sort', numbers(dtype, 20, 30):t(), 1, descending)
        if LONG[dtype] then compare('sort', numbers(dtype, 9000), 1, descending) end
      end
      compare('sort', numbers(dtype, 300, 2))
      compare('sort', numbers(dtype, 5, 1))
      if LONG[dtype] then compare('sort', numbers(dtype, 2, 4500, 2), 2) end
      compare('sort', torch.zeros(3, 0):to(dtype))
      compare('argsort', numbers(dtype, 8, 40), 2, true)
    end)

    it('the first of ' .. dtype .. ' are found', function()
      torch.manualSeed(2)
      for _, largest in ipairs { false, true } do
        compare('topk', numbers(dtype, 7, 33), 5, 2, largest)
        compare('topk', numbers(dtype, 33, 7), 5, 1, largest)
        if LONG[dtype] then
          compare('topk', numbers(dtype, 2, 6000), 40, 2, largest)
          compare('topk', numbers(dtype, 5000, 2), 1, 1, largest)
        end
      end
      if LONG[dtype] then
        compare('topk', numbers(dtype, 20000), 50, 1, true)
        compare('topk', numbers(dtype, 5000), 4000, 1, false)
      end
    end)

    it('one element of each line of ' .. dtype .. ' is chosen', function()
      torch.manualSeed(3)
      for _, x in ipairs { numbers(dtype, 9, 31), numbers(dtype, 31, 4, 3),
        torch.ones(5, 6):to(dtype), LONG[dtype] and numbers(dtype, 2, 4600) } do
        for dim = 1, 2 do
          compare('kthvalue', x, 2, dim)
          compare('median', x, dim)
          compare('mode', x, dim)
          compare('nanmedian', x, dim)
        end
      end
    end)
  end

  it('values that repeat are listed once', function()
    torch.manualSeed(5)
    for _, dtype in ipairs { 'float32', 'float64', 'bfloat16', 'int64', 'uint8' } do
      for _, x in ipairs { numbers(dtype, 300), numbers(dtype, 11, 9), numbers(dtype, 9, 11):t(),
        torch.ones(7):to(dtype), numbers(dtype, 1), torch.zeros(0):to(dtype) } do
        compare('unique', x)
        compare('unique', x, true, true, true)
        compare('unique', x, true, false, true)
        compare('unique_consecutive', x, true, true)
      end
      compare('unique', numbers(dtype, 50), true, true, true, 1)
      compare('unique_consecutive', torch.sort(numbers(dtype, 5000)), true, true)
    end
    for _, dtype in ipairs { 'float32', 'int64' } do
      local x = numbers(dtype, 40, 2, 3):mul(0.1):to(dtype)
      if dtype == 'float32' then x:mul(4):floor() end
      for dim = 1, 3 do
        compare('unique', x, true, true, true, dim)
        compare('unique_consecutive', torch.sort(x, 1), true, true, dim)
      end
    end
  end)

  it('elements are repeated, turned and moved', function()
    local x = torch.randn(4, 3)
    for _, times in ipairs { torch.LongTensor { 2, 0, 3, 1 }, torch.IntTensor { 0, 0, 0, 0 },
      torch.LongTensor { 0, 5, 0, 0 }, torch.Tensor { 1, 2, 3, 4 }, torch.LongTensor { 2 } } do
      same(torch.repeat_interleave(x:cuda(), times:cuda(), 1), torch.repeat_interleave(x, times, 1),
        'repeat_interleave')
    end
    same(torch.repeat_interleave(x:cuda(), 3), torch.repeat_interleave(x, 3), 'repeat_interleave')
    assert.has_error(function()
      torch.repeat_interleave(x:cuda(), torch.LongTensor { 1, 2, -1, 3 }:cuda(), 1)
    end)
    compare('flip', x, 1)
    compare('flip', torch.randn(5, 6, 7):transpose(1, 2), { 1, 3 })
    compare('rot90', x)
    compare('roll', x, { 1, 2 }, { 1, 2 })
  end)

  it('gradients of what is sorted go back to where it came from', function()
    torch.manualSeed(4)
    compare_gradients('sort', function(x) return (torch.sort(x, 2, true)) end)
    compare_gradients('topk', function(x) return (torch.topk(x, 3, 1, true)) end)
    compare_gradients('kthvalue', function(x) return (torch.kthvalue(x, 3, 2)) end)
    compare_gradients('median', function(x) return (torch.median(x, 1)) end)
    compare_gradients('median', function(x) return (torch.median(x, 2, false)) end)
    compare_gradients('sort', function(x) return (torch.sort(x:t(), 1)) end)
    compare_gradients('mode', function(x) return (torch.mode(x, 2)) end)
    compare_gradients('flip', function(x) return torch.flip(x, 1) end)
    compare_gradients('repeat_interleave', function(x)
      return torch.repeat_interleave(x, torch.LongTensor { 2, 0, 3, 1 }:to(x.device), 1)
    end)
  end)

  it('arguments out of range are refused as on the CPU', function()
    local x = torch.randn(3, 4):cuda()
    for _, f in ipairs { { 'topk', 5, 2 }, { 'kthvalue', 0, 2 }, { 'sort', 3 } } do
      assert.has_error(function() torch[f[1]](x, unpack(f, 2)) end)
    end
    assert.are.equal(12, x:cpu():nElement())
  end)
end)
