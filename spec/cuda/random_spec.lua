-- Random numbers on a GPU: the CPU's, from the same seed.
local torch = require 'torch'

if not torch.cuda.is_available() then return end

local compare = require 'spec.cuda.layers_compare'
local near, stays = compare.near, compare.stays
local unpack = table.unpack or unpack

-- draw(device) after one seed on both; and both generators are as far then.
local function same(what, draw, tolerance)
  torch.manualSeed(11)
  local a = draw('cpu')
  local after = torch.randn(3)
  torch.manualSeed(11)
  local b = stays(draw, 'cuda')
  assert.are.equal('cuda:0', b.device)
  near(b, a, tolerance or 0, what)
  assert.are.same(after:totable(), torch.randn(3):totable(), what .. ': what is drawn next')
end

local FLOATS = compare.FLOATS
local ALL = {'float32', 'float64', 'float16', 'bfloat16', 'uint8', 'int8', 'int16', 'int32',
  'int64'}
local SIZES = {{1}, {7}, {3, 333}, {0}, {2500}}

-- Fills a tensor by a method, plain and strided.
local function fills(name, dtypes, tolerance, ...)
  local arguments = {n = select('#', ...), ...}
  for _, dtype in ipairs(dtypes) do
    for _, size in ipairs(SIZES) do
      same(('%s %s of %d'):format(name, dtype, size[1]), function(device)
        local x = torch.zeros(size):to(dtype):to(device)
        return x[name](x, unpack(arguments, 1, arguments.n))
      end, type(tolerance) == 'table' and tolerance[dtype] or tolerance)
    end
    same(name .. ' of every second column', function(device)
      local x = torch.zeros(9, 8):to(dtype):to(device)
      local part = x:t():select(2, 3)
      part[name](part, unpack(arguments, 1, arguments.n))
      return x
    end, type(tolerance) == 'table' and tolerance[dtype] or tolerance)
  end
end

describe('random numbers on a GPU', function()
  it('are the CPU\'s where they are uniform or whole', function()
    fills('uniform', FLOATS, 0, -2, 3)
    fills('random', ALL, 0, 1, 100)
    fills('random', {'int64'}, 0, -2 ^ 62, 2 ^ 62)
    fills('random', {'int32', 'float64'}, 0, -5, 2 ^ 31 - 1)
    fills('bernoulli', ALL, 0)
    fills('bernoulli', {'float32', 'uint8'}, 0, 0.2)
    fills('bernoulli', {'float32'}, 0, 0)
    fills('bernoulli', {'float32'}, 0, 1)
  end)

  it('are those up to rounding where functions make them', function()
    for _, row in ipairs {{'normal', 1, 2}, {'exponential', 0.5}, {'logNormal', 0.5, 0.7},
        {'cauchy', 1, 2}} do
      fills(row[1], FLOATS, {float32 = 1e-5, float64 = 1e-12, float16 = 2e-3, bfloat16 = 1e-2},
        unpack(row, 2))
    end
    fills('geometric', FLOATS, 0, 0.4)
    fills('normal', {'uint8', 'int32'}, 0, 100, 200)
    fills('uniform', {'int8'}, 0, -500, 500)
  end)

  it('have a probability for each element', function()
    local p = torch.rand(40, 5)
    for _, dtype in ipairs {'float32', 'int64'} do
      same('bernoulli', function(device)
        return torch.zeros(40, 5):to(dtype):to(device):bernoulli(p:to(device))
      end)
      same('bernoulli of a transposed tensor', function(device)
        return torch.zeros(5, 40):to(dtype):to(device):bernoulli(p:to(device):t())
      end)
      same('bernoulli of one probability there', function(device)
        return torch.zeros(40):to(dtype):to(device):bernoulli(torch.tensor(0.3):to(device))
      end)
    end
    same('normal', function(device)
      return torch.normal(p:to(device), torch.add(p, 1):to(device))
    end, 1e-5)
  end)

  it('are drawn by rejection', function()
    local rate = torch.cat({torch.rand(300):mul(9), torch.rand(300):mul(500), torch.zeros(3)}, 1)
    local p = torch.cat({torch.rand(601), torch.Tensor {0, 1}}, 1)
    for _, dtype in ipairs(FLOATS) do
      same('poisson', function(device) return torch.poisson(rate:to(dtype):to(device)) end)
      same('standard_gamma', function(device)
        return torch.standard_gamma(rate:to(dtype):to(device))
      end, dtype == 'float64' and 1e-10 or 1e-2)
    end
    local count = torch.range(1, 603):long()
    same('binomial', function(device)
      return torch.binomial(count:to(device), p:to(device))
    end)
    same('binomial of one count', function(device) return torch.binomial(20, p:to(device)) end)
    same('binomial of one probability', function(device)
      return torch.binomial(count:to(device), 0.3)
    end)
  end)

  it('are indices by weight', function()
    for _, dtype in ipairs {'float32', 'float64', 'float16'} do
      local one, many = torch.rand(2500):to(dtype), torch.rand(7, 30):to(dtype)
      one:narrow(1, 5, 20):zero()
      for _, replacement in ipairs {true, false} do
        for _, count in ipairs {1, 6, 30} do
          same('multinomial', function(device)
            return torch.multinomial(one:to(device), count, replacement)
          end)
          same('multinomial of rows', function(device)
            return torch.multinomial(many:to(device), count, replacement)
          end)
        end
      end
      same('multinomial of columns', function(device)
        return torch.multinomial(many:to(device):t(), 9, true)
      end)
    end
    local alias, limits = torch.multinomial_alias_setup(torch.rand(50))
    same('multinomial_alias_draw', function(device)
      return torch.LongTensor(77):zero():to(device)
        :multinomial_alias_draw(alias:to(device), limits:to(device))
    end)
  end)

  it('are dropped', function()
    for _, dtype in ipairs(FLOATS) do
      for _, p in ipairs {0, 0.3, 0.9} do
        for _, size in ipairs {{1}, {6, 7}, {64, 70}, {0}} do
          local x = torch.randn(size):to(dtype)
          same('dropout', function(device) return torch.dropout(x:to(device), p) end)
        end
      end
      local x = torch.randn(8, 9):to(dtype)
      same('dropout of a transposed tensor', function(device)
        return torch.dropout(x:to(device):t(), 0.4)
      end)
      same('its gradient', function(device)
        local y = x:to(device):detach()
        y.requires_grad = true
        torch.dropout(y, 0.4):backward(torch.ones(8, 9):to(dtype):to(device))
        return y.grad
      end)
    end
  end)

  it('come from a generator of their own, too', function()
    local function draw(device)
      local g = torch.Generator()
      torch.manualSeed(g, 5)
      local x = torch.zeros(20):to(device)
      x:exponential(g, 2)
      return torch.add(x, torch.zeros(20):to(device):bernoulli(g, 0.5))
    end
    same('a generator', draw, 1e-6)
  end)

  it('say what cannot be drawn', function()
    local x = torch.zeros(4):cuda()
    assert.has_error(function() x:exponential(-1) end)
    assert.has_error(function() x:geometric(2) end)
    assert.has_error(function() x:cauchy(0, 0) end)
    assert.has_error(function() x:bernoulli(2) end)
    assert.has_error(function() x:byte():random(0, 300) end)
    assert.has_error(function() x:bernoulli(torch.zeros(5):cuda()) end)
    for _, wrong in ipairs {
      function() return x:bernoulli(torch.Tensor {0, 1, 2, 0}:cuda()) end,
      function() return torch.poisson(torch.Tensor {1, -1}:cuda()) end,
      function() return torch.binomial(torch.Tensor {1.5, 1}:cuda(), 0.5) end,
      function() return torch.multinomial(torch.Tensor {1, -1}:cuda(), 1) end,
      function() return torch.multinomial(torch.Tensor {1, 0}:cuda(), 2) end,
      function() return torch.multinomial(torch.Tensor {0, 0}:cuda(), 2, true) end,
    } do
      local ok, message = pcall(function()
        wrong()
        torch.cuda.synchronize()
      end)
      assert.is_false(ok)
      assert.is_truthy(message:find('out of range', 1, true), message)
    end
    torch.cuda.synchronize()
  end)
end)
