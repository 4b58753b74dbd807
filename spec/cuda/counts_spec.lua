-- Histograms, counts and searches on a device beside those of the CPU.
local torch = require('torch')
local compare = require('spec.cuda.compare')

if not torch.cuda.is_available() then return end

local check, numbers = compare.check, compare.numbers

describe('on a device', function()
  it('histc and bhistc', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs { 'float32', 'float64', 'float16', 'int64' } do
      local x = numbers(dtype, -20, 20, 30, 90)
      check('histc', torch.histc, { x })
      check('histc', function(t) return torch.histc(t, 7) end, { x:transpose(1, 2) })
      check('histc', function(t) return torch.histc(t, 13, -5, 8) end, { x })
      check('histc', function(t) return torch.histc(t, 5000, -20, 20) end, { x })
      check('bhistc', torch.bhistc, { x })
      check('bhistc', function(t) return torch.bhistc(t, 11, -5, 10) end, { x:narrow(2, 5, 60) })
      check('histc of equal ones', torch.histc, { x:narrow(1, 1, 1):narrow(2, 1, 1):expand(9, 9) })
    end
    check('histc of many', function(t) return torch.histc(t, 10) end,
      { numbers('float32', -9, 9, 40000) })
    check('histc of nothing', function(t) return torch.histc(t, 4, 0, 1) end, { torch.zeros(0) })
    local bad = torch.zeros(3)
    bad[2] = 0 / 0
    for _, f in ipairs { function() return torch.histc(bad:cuda()) end,
        function() return torch.histc(bad:cuda(), 4, 2, 1) end,
        function() return torch.bhistc(bad:view(1, 3):cuda()) end } do
      local ok, message = pcall(f)
      assert.is_false(ok)
      assert.is_truthy(message:find('the range from', 1, true), message)
    end
    compare.no_detours(before, { 'histc', 'bhistc' })
  end)

  it('bincount', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs { 'int64', 'int32', 'uint8' } do
      local x = numbers(dtype, 1, 40, 700)
      check('bincount', torch.bincount, { x })
      check('bincount', function(t) return torch.bincount(t, nil, 99) end, { x })
      check('of a part', torch.bincount, { x:view(70, 10):select(2, 3) })
      for _, weights in ipairs { 'float32', 'float64', 'int64' } do
        check('weights', torch.bincount, { x, numbers(weights, 0, 3, 700) }, 1e-6)
      end
    end
    check('many bins', torch.bincount, { numbers('int64', 1, 9000, 300) })
    check('nothing', torch.bincount, { torch.LongTensor(0) })
    for _, low in ipairs { 0, -3 } do
      local ok, message = pcall(torch.bincount, torch.LongTensor { 1, low }:cuda())
      assert.is_false(ok)
      assert.is_truthy(message:find(low .. ' cannot be counted', 1, true), message)
    end
    compare.no_detours(before, { 'bincount', 'max', 'min' })
  end)

  it('searchsorted and bucketize', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs { 'float32', 'float64', 'int64', 'int32' } do
      local sorted = torch.sort(numbers(dtype, -50, 50, 300))
      local values = numbers(dtype, -60, 60, 40, 30)
      if dtype:match('float') then values[{ 2, 2 }], values[{ 3, 3 }] = 0 / 0, math.huge end
      for _, right in ipairs { false, true } do
        local f = function(a, b) return torch.searchsorted(a, b, right) end
        check('searchsorted', f, { sorted, values })
        check('searchsorted', f, { sorted, values:transpose(1, 2) })
        check('a number', function(a) return torch.searchsorted(a, 7, right) end, { sorted })
        check('bucketize', function(a, b) return torch.bucketize(a, b, right) end,
          { values, sorted })
        local rows = torch.sort(numbers(dtype, -50, 50, 4, 5, 20), 3)
        check('rows', f, { rows, numbers(dtype, -60, 60, 4, 5, 7) })
        check('strided rows', f, { rows:transpose(1, 2), numbers(dtype, -60, 60, 5, 4, 7) })
      end
    end
    compare.no_detours(before, { 'searchsorted' })
  end)

  it('histogram', function()
    local x = numbers('float32', -20, 20, 700)
    check('bins', function(t) return torch.histogram(t, 9) end, { x })
    check('a range', function(t) return torch.histogram(t, 9, -5, 5) end, { x })
    check('edges', torch.histogram, { x, torch.FloatTensor { -10, -1, 0, 7 } })
    check('density', function(t, e) return torch.histogram(t, e, nil, true) end,
      { x, torch.FloatTensor { -10, -1, 0, 7 } })
    assert.has_error(function() torch.histogram(x:cuda(), torch.FloatTensor { 3, 1 }:cuda()) end)
  end)
end)
