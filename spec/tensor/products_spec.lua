-- Products of matrices large enough for a library's own code: what samples and golden values, which
-- are small, leave.

local unpack = table.unpack or unpack

--- Largest difference between `x` and `y`, both as doubles.
local function difference(x, y)
  return (x:double() - y:double()):abs():max()
end

describe('a product of large bfloat16 matrices', function()
  -- small whole numbers: sums of 300 of their products are exact in float32, so that only the last
  -- rounding counts, to a bfloat16's eight bits
  local function whole(...)
    return torch.IntTensor(...):random(-4, 4):bfloat16()
  end

  local function assert_product(expected, got)
    assert.equal('torch.BFloat16Tensor', got:type())
    assert.equal(0, difference(expected:bfloat16(), got))
  end

  for _, sizes in ipairs {{256, 256, 256}, {513, 130, 300}, {65, 1111, 257}} do
    it(('is that of floats: %d x %d x %d'):format(unpack(sizes)), function()
      local m, n, k = unpack(sizes)
      local a, b, c = whole(m, k), whole(k, n), whole(m, n)
      local turned_a, turned_b = a:t():contiguous():t(), b:t():contiguous():t()
      local product = torch.mm(a:float(), b:float())
      for _, x in ipairs {a, turned_a} do
        for _, y in ipairs {b, turned_b} do assert_product(product, torch.mm(x, y)) end
      end
      assert_product(product + c:float(), torch.addmm(c, a, b))
      assert_product(c:float() * 2 + product * 3, torch.addmm(2, c, 3, a, b))
      local result = whole(n, m):t()
      assert_product(product, torch.mm(result, a, b))
    end)
  end

  it('is that of floats in batches, with gaps between rows', function()
    local a, b = whole(5, 150, 200):narrow(3, 11, 160), whole(5, 160, 128)
    local product = torch.bmm(a:float(), b:float())
    assert_product(product, torch.bmm(a, b))
    local one = b:narrow(1, 2, 1):expand(5, 160, 128)
    assert_product(torch.bmm(a:float(), one:float()), torch.bmm(a, one))
  end)

  it('has NaN and infinity where floats have them', function()
    local a, b = whole(256, 256), whole(256, 256):fill(1)
    a[3][7], a[5][1] = 0 / 0, math.huge
    local y = torch.mm(a, b)
    assert.is_true(y[3][1] ~= y[3][1])
    assert.equal(math.huge, y[5][256])
    assert.is_true(y[4][1] == y[4][1])
  end)
end)
