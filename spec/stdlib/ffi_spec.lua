-- x:data(): tensor memory as LuaJIT's FFI sees it.
local torch = require 'torch'

describe('data', function()
  if not rawget(_G, 'jit') then
    it('says that it needs LuaJIT', function()
      assert.error_matches(function() torch.FloatTensor({1}):data() end, 'pointers need LuaJIT')
    end)
    return
  end

  it('is a typed pointer to the first element', function()
    for _, kind in ipairs {'Byte', 'Char', 'Short', 'Int', 'Float', 'Double'} do
      local x = torch[kind .. 'Tensor'] {1, 2, 3}
      assert.equal(3, x:data()[2])
      assert.equal(2, x:narrow(1, 2, 2):data()[0])
      assert.equal(1, x:storage():data()[0])
      x:data()[0] = 7
      assert.equal(7, x[1])
    end
    assert.equal(3, tonumber(torch.LongTensor({1, 2, 3}):data()[2]))
    assert.equal(0x3f80, torch.BFloat16Tensor({1}):data()[0])
    assert.equal(0x3c00, torch.HalfTensor({1}):data()[0])
    assert.equal(1, torch.BoolTensor({1}):data()[0])
  end)

  it('refuses anything else', function()
    assert.error_matches(function() torch.data({}) end, 'tensor or storage expected, got table')
    assert.error_matches(function() torch.data(5) end, 'tensor or storage expected, got number')
  end)
end)
