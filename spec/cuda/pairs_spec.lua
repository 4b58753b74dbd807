-- Products, losses and distances that add up over pairs of elements, on a device and on the CPU.
local torch = require('torch')
local compare = require('spec.cuda.compare')

if not torch.cuda.is_available() then return end

local check, numbers = compare.check, compare.numbers
local loose = { float32 = 1e-4, float64 = 1e-11, float16 = 1e-2, bfloat16 = 5e-2 }

describe('on a device', function()
  it('dot', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs { 'float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32' } do
      for _, n in ipairs { 1, 7, 1001, 20000 } do
        local a, b = numbers(dtype, 0, 1, n), numbers(dtype, 0, 1, n)
        check('dot', torch.dot, { a, b }, loose[dtype])
        if n > 10 then
          check('dot', torch.dot, { a:narrow(1, 2, 5), b:narrow(1, 3, 5) }, loose[dtype])
        end
      end
      local a = numbers(dtype, 0, 1, 30, 40)
      check('dot', torch.dot, { a:transpose(1, 2), numbers(dtype, 0, 1, 40, 30) }, loose[dtype])
    end
    compare.no_detours(before, { 'dot' })
  end)

  it('mse_loss and its gradient', function()
    local before = torch.cuda.detours()
    local function slopes(mean)
      return function(a, b)
        local x, y = a:clone(), b:clone()
        x.requires_grad, y.requires_grad = true, true
        local loss = torch.mse_loss(x, y, mean)
        torch.mul(loss, 3):backward()
        return x.grad, y.grad
      end
    end
    for _, dtype in ipairs(compare.floats) do
      for _, n in ipairs { 1, 30, 5001 } do
        local a, b = numbers(dtype, -1, 1, n, 3), numbers(dtype, -1, 1, n, 3)
        for _, mean in ipairs { true, false } do
          if mean or not dtype:match('16') then
            check('mse_loss', function(x, y) return torch.mse_loss(x, y, mean) end, { a, b },
              loose[dtype])
          end
          check('slopes', slopes(mean), { a, b }, compare.tolerance[dtype])
        end
        check('transposed', slopes(true), { a:transpose(1, 2), b:transpose(1, 2):contiguous() },
          compare.tolerance[dtype])
      end
    end
    check('another shape', slopes(true), { numbers('float32', -1, 1, 4, 6),
      numbers('float32', -1, 1, 24) })
    check('second gradient', function(a, b)
      local x = a:clone()
      x.requires_grad = true
      local dx = torch.grad(torch.mse_loss(x, b), x, { create_graph = true })
      torch.sum(torch.cmul(dx, dx)):backward()
      return x.grad
    end, { numbers('float64', -1, 1, 9), numbers('float64', -1, 1, 9) })
    check('of nothing', torch.mse_loss, { torch.zeros(0), torch.zeros(0) })
    compare.no_detours(before, { 'mse_loss' })
  end)

  it('distances of rows', function()
    local before = torch.cuda.detours()
    for _, dtype in ipairs(compare.floats) do
      local x, y = numbers(dtype, -1, 1, 2, 19, 33), numbers(dtype, -1, 1, 2, 35, 33)
      for _, p in ipairs { 2, 1, 0, 3, 0.5, math.huge } do
        if p ~= 0.5 or not dtype:match('16') then
          local f = function(a, b) return torch.cdist(a, b, p) end
          check('cdist ' .. p, f, { x, y }, loose[dtype])
          check('cdist ' .. p, f, { x:select(1, 2), y:select(1, 1) }, loose[dtype])
          check('cdist ' .. p, f, { x:transpose(2, 3), numbers(dtype, -1, 1, 2, 5, 19) },
            loose[dtype])
        end
      end
    end
    check('no length', torch.cdist, { torch.zeros(3, 0), torch.zeros(2, 0) })
    check('dist', function(a, b) return torch.dist(a, b, 3) end,
      { numbers('float32', 0, 1, 9, 9), numbers('float32', 0, 1, 9, 9) })
    check('renorm', function(a) return torch.renorm(a, 2, 1, 0.5) end,
      { numbers('float32', 0, 1, 9, 9) })
    compare.no_detours(before, { 'distances', 'norm' })
  end)

  it('gradients of distances', function()
    for _, p in ipairs { 2, 1, 3, math.huge } do
      check('cdist ' .. p, function(a, b)
        local x = a:clone()
        x.requires_grad = true
        local d = torch.cdist(x, b, p)
        torch.sum(torch.cmul(d, d)):backward()
        return x.grad
      end, { numbers('float64', -1, 1, 6, 5), numbers('float64', -1, 1, 7, 5) }, 1e-9)
    end
  end)
end)
