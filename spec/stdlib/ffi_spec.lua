-- x:data(): tensor memory as LuaJIT's FFI sees it, and the FFI's memory as tensors.
local torch = require 'torch'

local function collect()
  for _ = 1, 4 do collectgarbage() end
end

describe('data', function()
  it('is an address when asked for a number', function()
    local x = torch.FloatTensor {1, 2, 3}
    assert.equal('number', type(torch.data(x, true)))
    assert.equal(x:data(true) + 4, x:narrow(1, 2, 1):data(true))
    assert.equal(x:data(true), x:storage():data(true))
  end)

  it('refuses anything else', function()
    assert.error_matches(function() torch.data({}) end, 'tensor or storage expected, got table')
    assert.error_matches(function() torch.data(5) end, 'tensor or storage expected, got number')
    assert.error_matches(function() torch.data(torch.Generator()) end, 'got torch.Generator')
    assert.error_matches(function() torch.cdata(5) end, 'cdata: tensor or storage expected')
  end)

  it('of the host is no number', function()
    for _, wrong in ipairs {12, 'text', {}, print, io.stdout, torch.Generator(), torch.rand(2)} do
      assert.error_matches(function() torch.from_pointer(wrong, 1) end,
        'from_pointer: a pointer expected, got ')
    end
  end)
end)

if not rawget(_G, 'jit') then
  describe('without LuaJIT', function()
    it('says what is missing', function()
      local x = torch.FloatTensor {1}
      assert.error_matches(function() x:data() end, 'data: pointers need LuaJIT')
      assert.error_matches(function() x:cdata() end, 'cdata: pointers need LuaJIT')
      assert.error_matches(function() torch.from_ffi({}) end, 'from_ffi: pointers need LuaJIT')
    end)
  end)
  return
end

local ffi = require 'ffi'

describe('a pointer', function()
  it('is of the elements\' type, to the first one', function()
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

  it('keeps the memory alive', function()
    local p, q = torch.FloatTensor(1000):fill(3):data(), torch.LongStorage({5, 6}):data()
    collect()
    for _ = 1, 10 do torch.FloatTensor(1000):fill(0) end
    assert.equal(3, p[999])
    assert.equal(6, tonumber(q[1]))
  end)
end)

describe('cdata', function()
  it('has the fields of Torch7\'s structs', function()
    local x = torch.range(1, 12):view(3, 4):narrow(1, 2, 2):t()
    local c = x:cdata()
    assert.equal(2, c.nDimension)
    assert.equal(4, tonumber(c.size[0]))
    assert.equal(4, tonumber(c.stride[1]))
    assert.equal(4, tonumber(c.storageOffset))
    assert.equal(12, tonumber(c.storage.size))
    assert.equal(x[2][1], c.storage.data[c.storageOffset + c.stride[0]])
    assert.equal(3, tonumber(torch.LongStorage({1, 3}):cdata().data[1]))
    assert.equal(0, torch.Tensor():cdata().nDimension)
    assert.equal('number', type(torch.cdata(x, true)))
  end)

  it('lives without its tensor', function()
    local c = torch.DoubleTensor(100):fill(2):cdata()
    collect()
    for _ = 1, 10 do torch.DoubleTensor(100):fill(0) end
    assert.equal(2, c.storage.data[99])
    assert.equal(100, tonumber(c.size[0]))
  end)

  it('can be made a tensor again', function()
    local x = torch.rand(3, 4):t()
    local y = torch.pushudata(x:cdata(), 'torch.FloatTensor')
    assert.is_true(torch.equal(x, y))
    y:fill(5)
    assert.equal(5, x[1][1])
    local s = x:storage()
    assert.is_true(torch.isequal(s, torch.pushudata(s:cdata(), 'torch.FloatStorage')))
    for _, wrong in ipairs {'torch.DoubleTensor', 'torch.FloatStorage', 'nn.Linear', 5} do
      assert.error_matches(function() torch.pushudata(x:cdata(), wrong) end, '^pushudata: ')
    end
    assert.error_matches(function() torch.pushudata(12, 'torch.FloatTensor') end, 'pushudata')
    assert.error_matches(function() torch.pushudata() end, 'pushudata')
  end)
end)

describe('from_ffi', function()
  it('shows an array, with its type and sizes', function()
    local array = ffi.new('double[2][3]', {{1, 2, 3}, {4, 5, 6}})
    local x = torch.from_ffi(array)
    assert.equal('torch.DoubleTensor', x:type())
    assert.same({{1, 2, 3}, {4, 5, 6}}, x:totable())
    x:add(1)
    assert.equal(7, array[1][2])
    array[0][0] = 9
    assert.equal(9, x[1][1])
    assert.same({7}, torch.from_ffi(ffi.new('float[?]', 7)):size():totable())
    for c, kind in pairs {uint8_t = 'Byte', int8_t = 'Char', int16_t = 'Short', int32_t = 'Int',
        int64_t = 'Long', bool = 'Bool'} do
      assert.equal('torch.' .. kind .. 'Tensor', torch.from_ffi(ffi.new(c .. '[3]')):type())
    end
    local half = ffi.new('uint16_t[2]', {0x3c00, 0x4000})
    assert.same({1, 2}, torch.from_ffi(half, 2, 'float16'):totable())
    assert.same({{0, 0}}, torch.from_ffi(ffi.new('float[4]'), {1, 2}):totable())
  end)

  it('keeps it alive', function()
    local list = {}
    for k = 1, 50 do list[k] = torch.from_ffi(ffi.new('float[100]')):fill(k):narrow(1, 3, 50) end
    collect()
    for _ = 1, 200 do ffi.new('float[100]') end
    for k = 1, 50 do assert.equal(50 * k, list[k]:sum()) end
  end)

  it('refuses what does not fit', function()
    local array = ffi.new('float[4]')
    local function refuses(text, ...)
      local args = {...}
      assert.error_matches(function() torch.from_ffi(unpack(args)) end, text)
    end
    refuses('20 bytes wanted, but there are 16', array, 5)
    refuses('a size of %-1', array, {2, -1})
    refuses('more than memory', array, {2 ^ 40, 2 ^ 40})
    refuses('no tensors of unsigned int', ffi.new('uint32_t[2]'))
    refuses('give sizes', ffi.cast('float *', array))
    refuses('an array of the FFI expected, got table', {1, 2})
    refuses('name of a type', array, 4, 'no_type')
    refuses('name of a type expected, got number', array, 4, 4)
    refuses('const', ffi.cast('const float *', array), 4)
    assert.error_matches(function() torch.from_ffi(array):resize(5) end, 'cannot grow')
  end)
end)

describe('from_pointer', function()
  it('shows what is there', function()
    local array = ffi.new('int[6]', {1, 2, 3, 4, 5, 6})
    local p = ffi.cast('int *', array)
    assert.same({{2, 3}, {4, 5}}, torch.from_pointer(p + 1, {2, 2}):totable())
    local x = torch.from_pointer(ffi.cast('void *', p), 6, 'torch.IntTensor', array)
    assert.equal(21, x:sum())
    x[1] = 10
    assert.equal(10, array[0])
    assert.equal(0, torch.from_pointer(ffi.cast('float *', nil), 0):nElement())
  end)

  it('keeps its owner as long as any view lives', function()
    local array, alive = ffi.new('float[6]'), setmetatable({}, {__mode = 'k'})
    local view
    do
      local owner = {}
      alive[owner] = true
      view = torch.from_pointer(array, 6, 'float32', owner):narrow(1, 2, 2)
    end
    collect()
    assert.is_not_nil(next(alive))
    assert.equal(0, view:sum())
    view = nil -- luacheck: ignore
    collect()
    assert.is_nil(next(alive))
  end)

  it('refuses bad pointers', function()
    local p = ffi.cast('float *', 0)
    assert.error_matches(function() torch.from_pointer(p, 3) end, 'the pointer is NULL')
    assert.error_matches(function() torch.from_pointer(ffi.cast('float *', 13), 3) end, 'aligned')
    assert.error_matches(function() torch.from_pointer(p) end, 'give sizes')
  end)
end)
