-- What is made from numbers and positions, members of sets, and quantized numbers: on a device as on
-- the CPU.
local torch = require('torch')
local compare = require('spec.cuda.compare')

if not torch.cuda.is_available() then return end

local check, numbers, near = compare.check, compare.numbers, compare.near
local every = { 'float32', 'float64', 'float16', 'bfloat16', 'int64', 'int16', 'uint8' }

describe('on a device', function()
  it('sequences', function()
    local before = torch.cuda.detours()
    local function both(name, dtype, ...)
      local a = { ... }
      a[#a + 1] = { dtype = dtype, device = 'cuda' }
      local got = torch[name]((table.unpack or unpack)(a))
      a[#a] = { dtype = dtype }
      near(got, torch[name]((table.unpack or unpack)(a)), compare.tolerance[dtype] or 0,
        name .. ' ' .. dtype)
    end
    for _, dtype in ipairs(every) do
      both('range', dtype, 1, 100)
      both('range', dtype, 90, 0.5, -0.75)
      both('arange', dtype, 0, 50)
      both('arange', dtype, 3, 7, 0.3)
      both('linspace', dtype, 1, 7, 5)
      both('linspace', dtype, 5, 5, 1)
      both('logspace', dtype, 0, 2, 9)
      both('eye', dtype, 5)
      both('eye', dtype, 3, 700)
      both('eye', dtype, 700, 3)
    end
    both('range', 'float32', 1, 70001)
    both('linspace', 'float32', -1, 1, 9999)
    compare.no_detours(before, { 'range', 'arange', 'linspace', 'logspace', 'eye' })
  end)

  it('parts of matrices', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs(every) do
      local x = numbers(dtype, 1, 99, 3, 17, 30)
      for _, k in ipairs { 0, 3, -4, 100, -100 } do
        for _, name in ipairs { 'tril', 'triu' } do
          check(name .. k, function(t) return torch[name](t, k) end, { x })
          check(name .. k, function(t) return torch[name](t, k) end, { x:transpose(2, 3) })
          check(name .. k, function(t) return t[name](t:clone(), k) end, { x:select(1, 2) })
        end
        if math.abs(k) < 10 then
          check('diag' .. k, function(t) return torch.diag(t, k) end, { x:select(2, 4) })
          check('diag' .. k, function(t) return torch.diag(t, k) end, { x:select(1, 1):select(2, 3) })
        end
      end
      check('trace', torch.trace, { x:select(1, 1) })
      check('tril of nothing', torch.tril, { torch.zeros(0, 4) })
    end
    compare.no_detours(before, { 'tril', 'triu', 'diag' })
    for name, f in pairs { tril = torch.tril, triu = torch.triu, diag = torch.diag } do
      check('gradient of ' .. name, function(t)
        local x = t:clone()
        x.requires_grad = true
        local y = f(x)
        torch.sum(torch.cmul(y, y)):backward()
        return x.grad
      end, { numbers('float32', -2, 2, 6, 6) })
    end
  end)

  it('one_hot', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs { 'int64', 'int32', 'uint8' } do
      local x = numbers(dtype, 1, 9, 20, 30)
      check('one_hot', function(t) return torch.one_hot(t, 12) end, { x })
      check('one_hot', function(t) return torch.one_hot(t) end, { x:transpose(1, 2) })
    end
    compare.no_detours(before, { 'one_hot', 'max' })
    local x = torch.LongTensor { 1, 5, 2 }:cuda()
    local ok, message = pcall(function() return torch.one_hot(x, 4):cpu() end)
    assert.is_false(ok)
    assert.is_truthy(message:find('one_hot'), message)
    assert.are.equal(3, torch.one_hot(x):cpu():sum())
  end)

  it('members', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs { 'float32', 'float64', 'int64', 'uint8' } do
      local x, among = numbers(dtype, 0, 50, 40, 25), numbers(dtype, 0, 50, 30)
      if dtype:match('float') then
        x, among = torch.round(x), torch.round(among)
        among[3], x[{ 2, 2 }], x[{ 3, 3 }] = 0 / 0, 0 / 0, -0.0
        among[5] = 0
      end
      for _, invert in ipairs { false, true } do
        check('isin', function(a, b) return torch.isin(a, b, invert) end, { x, among })
        check('isin', function(a, b) return torch.isin(a, b, invert) end,
          { x:transpose(1, 2), among:expand(3, 30) })
        check('isin nothing', function(a, b) return torch.isin(a, b, invert) end,
          { x, among:narrow(1, 1, 1):clone():resize(0) })
      end
    end
    local many = torch.randperm(5000):long()
    check('isin many', torch.isin, { torch.range(1, 9000):long(), many })
    compare.no_detours(before, { 'isin' })
  end)

  it('quantized numbers', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs(compare.floats) do
      local x = numbers(dtype, -30, 30, 6, 50)
      x[{ 1, 1 }], x[{ 1, 2 }], x[{ 1, 3 }] = 0 / 0, math.huge, -math.huge
      for _, to in ipairs { 'int8', 'uint8', 'int32' } do
        check('quantize', function(t) return torch.quantize_per_tensor(t, 0.25, 3, to) end, { x })
        local scales, zeros = numbers('float32', 0.1, 1, 6), numbers('int64', -5, 5, 6)
        check('quantize', function(t, s, z)
          return torch.quantize_per_channel(t, s, z, 1, to)
        end, { x, scales, zeros })
      end
    end
    for _, dtype in ipairs { 'int8', 'uint8', 'int32' } do
      local q = numbers(dtype, -100, 100, 50, 6)
      check('dequantize', function(t) return torch.dequantize_per_tensor(t, 0.25, 3) end, { q })
      check('dequantize', function(t, s, z) return torch.dequantize_per_channel(t, s, z, 2) end,
        { q, numbers('float32', 0.1, 1, 6), numbers('int64', -5, 5, 6) })
    end
    compare.no_detours(before, { 'quantize_per_tensor', 'quantize_per_channel',
      'dequantize_per_tensor', 'dequantize_per_channel' })
    local x = numbers('float32', -1, 1, 3):cuda()
    assert.has_error(function() torch.quantize_per_tensor(x, 0, 0) end)
    assert.has_error(function()
      torch.quantize_per_channel(x, torch.zeros(3):cuda(), torch.zeros(3):cuda(), 1)
    end)
  end)
end)
