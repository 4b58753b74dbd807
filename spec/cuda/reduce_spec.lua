-- Reductions on a device beside those of the CPU.
local torch = require('torch')
local compare = require('spec.cuda.compare')

if not torch.cuda.is_available() then return end

local unpack = table.unpack or unpack
local check, numbers = compare.check, compare.numbers

-- Shapes, and how a view of the kind is made of a tensor of them.
local views = {
  { 'a vector', { 1000 } },
  { 'a matrix', { 37, 53 } },
  { 'rows of 16 bytes', { 8, 64 } },
  { 'many short rows', { 3000, 3 } },
  { 'few long rows', { 3, 3001 } },
  { 'few long columns', { 2050, 5 } },
  { 'columns of 16 bytes', { 70, 96 } },
  { 'three dimensions', { 5, 6, 7 } },
  { 'four dimensions', { 3, 4, 5, 8 } },
  { 'a transposed matrix', { 37, 53 }, function(x) return x:transpose(1, 2) end },
  { 'a part of a matrix', { 41, 60 }, function(x) return x:narrow(2, 3, 48):narrow(1, 2, 33) end },
  { 'permuted dimensions', { 5, 6, 7 }, function(x) return x:permute(2, 3, 1) end },
  { 'every third', { 60, 9 }, function(x) return x:select(2, 4) end },
  { 'a repeated row', { 1, 40 }, function(x) return x:expand(30, 40) end },
  { 'a repeated column', { 40, 1 }, function(x) return x:expand(40, 30) end },
  { 'one element', { 1 } },
  { 'no dimension', { 1 }, function(x) return x:as_strided({}, {}) end },
  { 'a size of 1 within', { 6, 1, 7 } },
}

-- Not every type walks in every way: some see each third view.
local function each_view(dtype, low, high, f)
  torch.manualSeed(11)
  local all = dtype == 'float32' or dtype == 'bfloat16'
  for i, v in ipairs(views) do
    if all or (i + #dtype) % 3 == 0 then
      local x = numbers(dtype, low, high, unpack(v[2]))
      if v[3] then x = v[3](x) end
      f(v[1] .. ' of ' .. dtype, x)
    end
  end
end

-- Over everything, and over each dimension, kept and not.
local function along(what, x, f, tolerance)
  check(what, function(t) return f(t) end, { x }, tolerance)
  for d = 1, x:dim() do
    check(what .. ' along ' .. d, function(t) return f(t, d) end, { x }, tolerance)
  end
  if x:dim() > 0 then
    check(what .. ' not kept', function(t) return f(t, x:dim(), false) end, { x }, tolerance)
  end
end

local function tracked(t)
  local x = t:clone()
  x.requires_grad = true
  return x
end

local every = { 'float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'uint8', 'bool' }

local function reduces(name, dtypes, low, high, tolerance)
  it(name .. ' is the CPU\'s', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs(dtypes) do
      each_view(dtype, low, high, function(what, x)
        along(name .. ' of ' .. what, x, function(t, d, keep) return torch[name](t, d, keep) end,
          tolerance and tolerance[dtype])
      end)
    end
    compare.no_detours(before, { name })
  end)
end

describe('a reduction on a device:', function()
  -- sums of up to 10000 elements
  local loose = { float32 = 1e-4, float16 = 3e-2, bfloat16 = 2e-1 }
  reduces('sum', every, -4, 4, loose)
  reduces('mean', every, -4, 4)
  reduces('prod', { 'float32', 'float64', 'int64', 'int32' }, 0.99, 1.01, loose)
  reduces('amax', every, -100, 100)
  reduces('amin', every, -100, 100)
  reduces('all', every, 0, 3)
  reduces('any', every, 0, 1)
  reduces('logsumexp', compare.floats, -20, 20)

  it('max and min of everything', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs(every) do
      each_view(dtype, -100, 100, function(what, x)
        check('max of ' .. what, torch.max, { x })
        check('min of ' .. what, torch.min, { x })
      end)
    end
    compare.no_detours(before, { 'max', 'min' })
  end)

  it('extremes with their places, the first of equal ones', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs(every) do
      each_view(dtype, -5, 5, function(what, x)
        for _, name in ipairs { 'max', 'min' } do
          local f = torch[name]
          local rounded = dtype:match('float') and torch.round(x:double()):to(dtype) or x
          if rounded:stride():totable()[1] ~= x:stride():totable()[1] then rounded = x end
          for d = 1, x:dim() do
            check(name .. ' of ' .. what .. ' along ' .. d, function(t) return f(t, d) end, { x })
            check(name .. ' of equal ones, ' .. what .. ' along ' .. d,
              function(t) return f(t, d, false) end, { rounded })
          end
          along('arg' .. name .. ' of ' .. what, rounded, torch['arg' .. name])
          check('arg' .. name .. ' of ' .. what, torch['arg' .. name], { x })
        end
      end)
    end
    compare.no_detours(before, { 'max_dim', 'min_dim', 'argmax', 'argmin' })
  end)

  it('variance and standard deviation', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs(compare.floats) do
      each_view(dtype, 2, 4, function(what, x)
        for _, name in ipairs { 'var', 'std' } do
          local f = torch[name]
          check(name .. ' of ' .. what, f, { x })
          for d = 1, x:dim() do
            check(name .. ' of ' .. what, function(t) return f(t, d) end, { x })
            check(name .. ' by n of ' .. what, function(t) return f(t, d, true) end, { x })
          end
        end
      end)
    end
    compare.no_detours(before, { 'var', 'std' })
  end)

  it('a variance far from 0 keeps its digits', function()
    local x = numbers('float32', 999, 1001, 5000)
    check('var', torch.var, { x }, 1e-3)
  end)

  it('norms of every order', function()
    local before = torch.cuda.detours()
    local inf = math.huge
    for _, dtype in ipairs(compare.floats) do
      each_view(dtype, -2, 2, function(what, x)
        for _, p in ipairs { 2, 1, 0, 3, 0.5, -1, inf, -inf } do
          -- the sum of roots and of inverses is large, and the CPU rounds it to 16 bits on the way
          local rough = p ~= 2 and (loose[dtype] or 1e-9)
          if not dtype:match('16') or (p >= 1 and x:nElement() < 1000) then
            check(('norm %g of %s'):format(p, what), function(t) return torch.norm(t, p) end, { x },
              rough or loose[dtype])
            for d = 1, x:dim() do
              check(('norm %g of %s along %d'):format(p, what, d),
                function(t) return torch.norm(t, p, d) end, { x }, rough or loose[dtype])
            end
          end
        end
      end)
    end
    compare.no_detours(before, { 'norm' })
  end)

  it('over several dimensions', function()
    local x = numbers('float32', 0.5, 1, 4, 5, 6, 7)
    for _, name in ipairs { 'sum', 'mean', 'prod', 'amax', 'amin', 'logsumexp', 'all', 'any', 'var',
        'std', 'nansum', 'nanmean', 'count_nonzero' } do
      for _, dims in ipairs { { 1, 2 }, { 3, 4 }, { 1, 3 }, { 2, 4 }, { 1, 3, 4 },
        { 1, 2, 3, 4 } } do
        check(name .. ' over ' .. table.concat(dims, ', '),
          function(t) return torch[name](t, dims) end, { x }, 1e-4)
      end
    end
    check('norm', function(t) return torch.norm(t, 2, { 1, 3 }) end, { x })
  end)

  it('many elements, by several blocks for each result', function()
    for _, dtype in ipairs { 'float32', 'bfloat16', 'int64', 'uint8' } do
      local x = numbers(dtype, -3, 3, 100003)
      check('sum ' .. dtype, torch.sum, { x }, dtype == 'bfloat16' and 0.5 or 1e-4)
      check('sum of a part ' .. dtype, torch.sum, { x:narrow(1, 2, 99999) },
        dtype == 'bfloat16' and 0.5 or 1e-4)
      check('argmax ' .. dtype, torch.argmax, { x })
      check('max ' .. dtype, torch.max, { x })
      local columns = numbers(dtype, -3, 3, 20000, 3)
      check('sum of columns ' .. dtype, function(t) return torch.sum(t, 1) end, { columns },
        dtype == 'bfloat16' and 0.5 or 1e-4)
      check('argmin of columns ' .. dtype, function(t) return torch.argmin(t, 1) end, { columns })
      check('sum of rows ' .. dtype, function(t) return torch.sum(t, 2) end,
        { x:narrow(1, 1, 100000):view(4, 25000) }, dtype == 'bfloat16' and 0.5 or 1e-4)
    end
    local x = numbers('float64', -3, 3, 100003)
    check('var', torch.var, { x }, 1e-11)
    check('logsumexp', torch.logsumexp, { x }, 1e-11)
  end)

  it('what is empty', function()
    local x = torch.zeros(0, 3)
    check('sum', torch.sum, { x })
    check('mean', torch.mean, { x })
    check('prod', torch.prod, { x })
    check('all', torch.all, { x })
    check('any', torch.any, { x })
    for _, name in ipairs { 'sum', 'mean', 'prod', 'all', 'any', 'var', 'logsumexp', 'norm' } do
      for d = 1, 2 do
        local f = function(t) return name == 'norm' and t:norm(2, d) or torch[name](t, d) end
        check(name .. ' along ' .. d, f, { x })
      end
    end
    for _, name in ipairs { 'max', 'min', 'amax', 'argmax' } do
      assert.has_error(function() return torch[name](x:cuda()) end)
    end
    assert.has_error(function() return x:cuda():norm(math.huge) end)
  end)

  it('NaN and infinities', function()
    local nan, inf = 0 / 0, math.huge
    for _, dtype in ipairs { 'float32', 'float64', 'float16' } do
      for _, special in ipairs { { nan, 1 }, { inf, 1 }, { -inf, inf }, { -inf, -inf },
        { nan, inf } } do
        for _, n in ipairs { 2, 40, 3000 } do
          local x = numbers(dtype, -2, 2, n)
          if n == 2 then x[1], x[2] = special[1], special[2] end
          if n > 2 then x[n - 7], x[n / 2] = special[1], special[2] end
          for _, name in ipairs { 'sum', 'mean', 'max', 'min', 'argmax', 'argmin', 'amax',
              'logsumexp', 'all', 'any', 'var' } do
            check(('%s of %g, %g among %d'):format(name, special[1], special[2], n), torch[name],
              { x }, 1e-2)
          end
          check('norm', function(t) return torch.norm(t, inf) end, { x }, 1e-2)
          check('max', function(t) return torch.max(t, 1) end, { x })
        end
      end
    end
    check('logsumexp of nothing but -inf', torch.logsumexp, { torch.zeros(700):fill(-inf) })
    check('logsumexp of great numbers', torch.logsumexp, { torch.zeros(700):fill(1e30) })
    check('logsumexp of small numbers', torch.logsumexp, { torch.zeros(700):fill(-1e30) })
  end)

  it('gradients, and theirs', function()
    torch.manualSeed(5)
    local f = {
      sum = torch.sum, mean = torch.mean, prod = torch.prod, var = torch.var, std = torch.std,
      norm = function(x, d) return torch.norm(x, 2, d) end, logsumexp = torch.logsumexp,
      amax = torch.amax, amin = torch.amin,
    }
    local base = numbers('float64', 0.5, 2, 4, 6)
    local before = torch.cuda.detours()
    for name, g in pairs(f) do
      for d = 0, 2 do
        local function first(t)
          local x = tracked(t)
          local y = d > 0 and g(x, d) or g(x)
          torch.sum(torch.cmul(y, y)):backward()
          return x.grad
        end
        local function second(t)
          local x = tracked(t)
          local y = d > 0 and g(x, d) or g(x)
          local dx = torch.grad(torch.sum(torch.cmul(y, y)), x, { create_graph = true })
          torch.sum(torch.cmul(dx, dx)):backward()
          return x.grad
        end
        check('gradient of ' .. name, first, { base }, 1e-9)
        check('second gradient of ' .. name, second, { base }, 1e-9)
      end
    end
    compare.no_detours(before, { 'sum', 'mean', 'prod', 'var', 'std', 'norm', 'logsumexp', 'amax' })
  end)

  it('the gradient of broadcasting', function()
    local base = numbers('float32', 0.5, 2, 30, 20)
    for _, sizes in ipairs { { 20 }, { 1, 20 }, { 30, 1 }, { 1, 1 }, { 1 } } do
      local small = numbers('float32', 1, 2, unpack(sizes))
      check('to ' .. table.concat(sizes, 'x'), function(a, b)
        local y = tracked(b)
        torch.sum(torch.cmul(a, y)):backward()
        return y.grad
      end, { base, small })
    end
  end)

  it('results in tensors that are given', function()
    local x = numbers('float32', -2, 2, 7, 9)
    check('sum', function(t)
      local r = torch.zeros(3, { device = t.device })
      torch.sum(r, t, 1)
      return r
    end, { x })
    check('max', function(t)
      local v = torch.zeros(3, { device = t.device })
      local i = torch.zeros(3, { dtype = 'int64', device = t.device })
      torch.max(v, i, t, 2)
      return v, i
    end, { x })
  end)
end)
