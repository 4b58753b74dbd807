-- Values moved about on a GPU, turned over and converted: what the CPU makes of them.
local torch = require('torch')

if not torch.cuda.is_available() then return end

local DTYPES = { 'uint8', 'int8', 'int16', 'int32', 'int64', 'float16', 'bfloat16', 'float32',
  'float64' }

local function same(got, expected, what)
  assert.same(expected:size():totable(), got:size():totable(), what)
  assert.equal(expected.dtype, got.dtype, what)
  local a, b = got:cpu():double():contiguous(), expected:double():contiguous()
  assert.is_true(torch.equal(a, b), what)
end

describe('on a GPU', function()
  it('matrices are turned over', function()
    for _, dtype in ipairs(DTYPES) do
      local x = torch.range(1, 2 * 3 * 41 * 37):fmod(113):to(dtype):view(2, 3, 41, 37)
      local g = x:cuda()
      for _, order in ipairs { { 1, 2, 4, 3 }, { 1, 3, 4, 2 }, { 4, 3, 2, 1 }, { 3, 4, 1, 2 },
          { 1, 4, 2, 3 }, { 4, 1, 2, 3 }, { 2, 1, 4, 3 } } do
        local what = dtype .. ' ' .. table.concat(order, ' ')
        local unpack = table.unpack or unpack
        same(g:permute(unpack(order)):contiguous(), x:permute(unpack(order)):contiguous(), what)
      end
      local part = g:narrow(4, 3, 20):narrow(3, 5, 30):transpose(3, 4)
      same(part:contiguous(), x:narrow(4, 3, 20):narrow(3, 5, 30):transpose(3, 4), dtype)
    end
  end)

  it('small and large matrices are turned over', function()
    for _, size in ipairs { { 1, 100 }, { 8, 8 }, { 7, 200 }, { 32, 32 }, { 33, 64 }, { 200, 9 },
        { 257, 130 } } do
      local x = torch.randn(size[1], size[2])
      same(x:cuda():t():contiguous(), x:t(), size[1] .. 'x' .. size[2])
      local to = torch.zeros(size[2], size[1] + 3):cuda()
      to:narrow(2, 2, size[1]):copy(x:cuda():t())
      same(to:narrow(2, 2, size[1]), x:t(), 'into a part')
      assert.equal(0, to:select(2, 1):abs():max())
    end
  end)

  it('types are converted', function()
    local x = torch.randn(1003):mul(50)
    x[5], x[6], x[7], x[1003] = math.huge, -math.huge, 70000, 1e-7
    for _, from in ipairs { 'float16', 'bfloat16', 'float32', 'float64' } do
      for _, to in ipairs { 'float16', 'bfloat16', 'float32', 'float64' } do
        local a = x:to(from)
        local b = a:cuda()
        local what = from .. ' to ' .. to
        same(b:to(to), a:to(to), what)
        same(b:narrow(1, 2, 999):to(to), a:narrow(1, 2, 999):to(to), what)
        local function turned(t) return t:narrow(1, 1, 1000):view(20, 50):t() end
        same(turned(b):to(to), turned(a):to(to), what)
      end
    end
    local nan = torch.Tensor(20):fill(0 / 0):cuda()
    for _, to in ipairs { 'float16', 'bfloat16' } do
      assert.equal(20, torch.ne(nan:to(to), nan:to(to)):cpu():double():sum())
    end
  end)
end)
