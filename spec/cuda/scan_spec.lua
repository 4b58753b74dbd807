-- Running sums, products and extremes on a device beside those of the CPU.
local torch = require('torch')
local compare = require('spec.cuda.compare')

if not torch.cuda.is_available() then return end

local unpack = table.unpack or unpack
local check, numbers = compare.check, compare.numbers

local shapes = {
  { 'a vector', { 70 } },
  { 'a long vector', { 4500 } },
  { 'a matrix', { 37, 130 } },
  { 'few long columns', { 2100, 5 } },
  { 'many columns', { 5, 600 } },
  { 'three dimensions', { 6, 7, 80 } },
  { 'a transposed matrix', { 130, 37 }, function(x) return x:transpose(1, 2) end },
  { 'every third', { 90, 3 }, function(x) return x:select(2, 2) end },
  { 'a repeated row', { 1, 40 }, function(x) return x:expand(90, 40) end },
  { 'one element', { 1 } },
  { 'nothing', { 0, 3 } },
}

local function each(dtype, low, high, f)
  torch.manualSeed(3)
  for _, v in ipairs(shapes) do
    local x = numbers(dtype, low, high, unpack(v[2]))
    if v[3] then x = v[3](x) end
    for d = 1, x:dim() do f(('%s of %s along %d'):format(v[1], dtype, d), x, d) end
  end
end

local function scans(name, dtypes, low, high)
  it(name, function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs(dtypes) do
      each(dtype, low, high, function(what, x, d)
        check(name .. ' ' .. what, function(t) return torch[name](t, d) end, { x })
        if name == 'cumsum' or name == 'logcumsumexp' then
          check(name .. ' back ' .. what, function(t) return torch[name](t, d, true) end, { x })
        end
      end)
    end
    compare.no_detours(before, { name })
  end)
end

describe('a scan on a device:', function()
  scans('cumsum', { 'float32', 'float64', 'bfloat16', 'int64', 'uint8', 'bool' }, -4, 4)
  scans('cumprod', { 'float32', 'float16', 'int64' }, 0.99, 1.01)
  scans('logcumsumexp', { 'float32', 'float64', 'float16' }, -20, 20)
  scans('cummax', { 'float32', 'int64', 'bfloat16', 'uint8' }, -50, 50)
  scans('cummin', { 'float64', 'int32' }, -50, 50)

  it('NaN, infinities and equal extremes', function()
    local nan, inf = 0 / 0, math.huge
    for _, n in ipairs { 20, 600, 3000 } do
      local x = torch.round(numbers('float32', -3, 3, n))
      for _, special in ipairs { nan, inf, -inf } do
        x[n / 2], x[n / 4] = special, -inf
        for _, name in ipairs { 'cumsum', 'cumprod', 'logcumsumexp', 'cummax', 'cummin' } do
          check(('%s of %d with %g'):format(name, n, special), torch[name], { x })
        end
        check('columns', function(t) return torch.cummax(t:view(n / 10, 10), 1) end, { x })
      end
    end
    check('logcumsumexp of -inf', torch.logcumsumexp, { torch.zeros(300):fill(-inf) })
  end)

  it('gradients, and theirs', function()
    local base = numbers('float64', 0.5, 2, 70, 6)
    local zero = base:clone()
    zero[{ 3, 2 }], zero[{ 5, 2 }], zero[{ 1, 1 }] = 0, 0, 0
    for _, name in ipairs { 'cumsum', 'cumprod', 'logcumsumexp', 'cummax', 'cummin' } do
      for _, x in ipairs { base, zero } do
        for d = 1, 2 do
          check('gradient of ' .. name, function(t)
            local leaf = t:clone()
            leaf.requires_grad = true
            local y = torch[name](leaf, d)
            torch.sum(torch.cmul(y, y)):backward()
            return leaf.grad
          end, { x }, 1e-9)
        end
      end
    end
    check('second gradient of cumsum', function(t)
      local leaf = t:clone()
      leaf.requires_grad = true
      local y = torch.sum(torch.pow(torch.cumsum(leaf, 1), 3))
      local dx = torch.grad(y, leaf, { create_graph = true })
      torch.sum(torch.cmul(dx, dx)):backward()
      return leaf.grad
    end, { base }, 1e-9)
  end)
end)
