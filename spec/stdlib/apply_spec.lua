-- x:apply(f), x:map(y, f), x:map2(y, z, f): element by element through a function of Lua's. Long
-- tensors take another way than short ones where LuaJIT compiles.
local torch = require 'torch'

local kinds = {'Byte', 'Char', 'Short', 'Int', 'Long', 'Half', 'BFloat16', 'Float', 'Double'}

-- Numbers that every type holds, and views of them in different layouts.
local function whole(kind, ...)
  local n = 1
  for k = 1, select('#', ...) do n = n * select(k, ...) end
  local values = {}
  for k = 1, n do values[k] = k * 7 % 50 end
  return torch[kind .. 'Tensor'](values):view(...)
end

for _, size in ipairs {3, 20} do
  describe(('of %d elements'):format(size * size), function()
    for _, kind in ipairs(kinds) do
      it('apply replaces each element of a ' .. kind .. 'Tensor', function()
        local x = whole(kind, size, size)
        local expected = x:double() * 2 + 1
        assert.equal(x, x:apply(function(v) return v * 2 + 1 end))
        assert.is_true(torch.equal(expected, x:double()))
        x:apply(function() end)
        assert.is_true(torch.equal(expected, x:double()))
      end)
    end

    it('goes through the elements row by row', function()
      local square, double = torch.zeros(size, size), torch.zeros(2 * size, size)
      for _, x in ipairs {square, square:t(), torch.zeros(size, 2, size):select(2, 1),
          double:narrow(1, 2, size)} do
        local count = 0
        x:apply(function() count = count + 1 return count end)
        assert.equal(size * size, count)
        assert.is_true(torch.equal(torch.range(1, size * size), x:contiguous():view(-1)))
      end
    end)

    it('keeps what f does not replace', function()
      local x = torch.range(1, size * size)
      local seen = 0
      x:apply(function(v)
        seen = seen + v
        if v % 2 == 0 then return -v end
      end)
      local n = size * size
      assert.equal(n * (n + 1) / 2, seen)
      assert.equal(1, x[1])
      assert.equal(-2, x[2])
    end)

    it('map and map2 take the elements of others', function()
      local x, y, z = torch.rand(size, size), torch.rand(size, size), torch.rand(size, size)
      local sum, product = x + y, torch.cmul(x, y) + z
      assert.is_true(torch.equal(sum, x:clone():map(y, function(a, b) return a + b end)))
      local got = x:clone():map2(y, z, function(a, b, c) return a * b + c end)
      assert.is_true((got - product):abs():max() < 1e-6)
      -- other layouts, shapes and types
      local twice = x * 2
      assert.is_true(torch.equal(twice, x:clone():map(x:t():clone():t(),
        function(a, b) return a + b end)))
      assert.is_true(torch.equal(twice, x:t():clone():t():map(x, function(a, b) return a + b end)))
      assert.is_true(torch.equal(twice, x:clone():map(x:view(-1), function(a, b) return a + b end)))
      assert.is_true(torch.equal(twice, x:t():clone():t():map(x:view(-1),
        function(a, b) return a + b end)))
      assert.is_true(torch.equal(twice, x:clone():map(x:double(), function(a, b) return a + b end)))
    end)

    it('reads what it has written', function()
      local x, k = torch.ones(size * size), 0
      x:apply(function(v)
        k = k + 1
        return k > 1 and x[k - 1] + v or v
      end)
      assert.equal(size * size, x[size * size])
    end)

    it('takes whatever tells a number', function()
      assert.equal(5, torch.zeros(size * size):apply(function() return '5' end)[1])
      local bits = torch.BoolTensor(size * size):fill(0):apply(function() return 3 end)
      assert.equal(1, bits:long()[1])
    end)

    it('refuses anything else, in the name of what was called', function()
      local x = torch.rand(size, size)
      local function refuses(text, f)
        local good, message = pcall(f)
        assert.is_false(good)
        assert.matches('^[^ ]*apply[_%a]*.lua:%d+: ' .. text, message)
      end
      refuses('apply: a function expected as argument 2, got number', function() x:apply(3) end)
      refuses('map: a function expected as argument 3', function() x:map(x) end)
      refuses('map2: tensor expected as argument 3, got function',
        function() x:map2(x, print, print) end)
      refuses('apply: 2 arguments', function() x:apply(print, 1) end)
      refuses('map: tensors of as many elements expected', function()
        x:map(torch.zeros(2), print)
      end)
      refuses('apply: the function must return a number or nothing, got table', function()
        x:apply(function() return {} end)
      end)
      refuses('map: the function must return a number or nothing, got boolean', function()
        x:map(x, function() return true end)
      end)
      refuses('mine', function() x:apply(function() error('mine') end) end)
    end)

    it('survives tensors that move', function()
      local x = torch.rand(size, size)
      assert.error_matches(function()
        x:apply(function()
          x:resize(1000, 1000)
          return 1
        end)
      end, 'changed the size')
      local y, count = torch.zeros(size, size), 0
      y:apply(function()
        count = count + 1
        if count == 2 then
          y:set(torch.zeros(size, size))
          collectgarbage()
        end
        return 1
      end)
      assert.is_true(count >= 2)
    end)

    it('is a write that gradients know of', function()
      local w = torch.rand(size, size):requiresGrad()
      local y = torch.cmul(w, w):sum()
      w:apply(function() return 1 end) -- a leaf may be written to
      assert.error_matches(function() y:backward() end, 'changed in place')
      assert.error_matches(function()
        (w * 2):apply(function() return 1 end)
      end, 'apply: argument 1 has a gradient')
      assert.error_matches(function()
        torch.zeros(size, size):map(w, function(_, b) return b end)
      end, 'map: argument 2 has a gradient')
      torch.no_grad(function()
        assert.equal(1, (w * 2):apply(function() return 1 end)[1][1])
      end)
    end)
  end)
end

it('apply does nothing to empty tensors', function()
  local x = torch.zeros(0)
  assert.equal(x, x:apply(error))
  assert.equal(0, torch.zeros(0, 3):map(torch.zeros(3, 0), error):nElement())
end)
