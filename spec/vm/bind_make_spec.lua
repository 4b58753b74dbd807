-- Constructors, storages, conversions and what one asks a tensor.
local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, 'no error: ' .. pattern)
  assert.matches(pattern, message)
end

local function sizes(x)
  return x:size():totable()
end

describe('torch.Tensor', function()
  it('takes sizes', function()
    assert.same({2, 3}, sizes(torch.Tensor(2, 3)))
    assert.same({2, 3}, sizes(torch.Tensor(torch.LongStorage {2, 3})))
    assert.same({2}, sizes(torch.Tensor(2, 0, 3)))
    assert.equal(0, torch.Tensor():dim())
    assert.equal(0, torch.Tensor(0):nElement())
    assert.equal(8, torch.Tensor(1, 1, 1, 1, 1, 1, 1, 1):dim())
    fails('sizes', torch.Tensor, 'abc')
    fails('sizes', torch.Tensor, 2.5)
    fails('at most 8 whole numbers', torch.Tensor, 1, 1, 1, 1, 1, 1, 1, 1, 1)
    fails('sizes', torch.Tensor, 2, 2.5)
  end)

  it('takes nested tables', function()
    assert.same({{1, 2}, {3, 4}, {5, 6}}, torch.Tensor({{1, 2}, {3, 4}, {5, 6}}):totable())
    assert.same({1, 2}, torch.Tensor({'1', '2'}):totable())
    assert.equal(0, torch.Tensor({}):nElement())
    fails('table of 2 values expected at depth 2', torch.Tensor, {{1, 2}, {3}})
    fails('a number expected in the table, got function', torch.Tensor, {1, print})
    fails('table of 2 values expected', torch.Tensor, {{1, 2}, 3})
    local deep = {1}
    for _ = 1, 9 do deep = {deep} end
    fails('nested more than 8 deep', torch.Tensor, deep)
    local circle = {}
    circle[1] = circle
    fails('nested more than 8 deep', torch.Tensor, circle)
  end)

  it('takes a storage with offset, sizes and strides', function()
    local s = torch.FloatStorage {1, 2, 3, 4, 5, 6}
    assert.same({1, 2, 3, 4, 5, 6}, torch.FloatTensor(s):totable())
    assert.same({3, 4, 5, 6}, torch.FloatTensor(s, 3):totable())
    local m = torch.FloatTensor(s, 2, torch.LongStorage {2, 2})
    assert.same({{2, 3}, {4, 5}}, m:totable())
    assert.same({{1, 4}, {2, 5}},
      torch.FloatTensor(s, 1, torch.LongStorage {2, 2}, torch.LongStorage {1, 3}):totable())
    assert.same({{1, 4}, {2, 5}}, torch.FloatTensor(s, 1, 2, 1, 2, 3):totable())
    m[1][1] = 9
    assert.equal(9, s[2])
    fails('', torch.FloatTensor, s, 5, torch.LongStorage {3})
    fails('', torch.FloatTensor, s, 0)
    fails('FloatStorage', torch.DoubleTensor, s)
    fails('', torch.FloatTensor, s, 1, torch.LongStorage {2 ^ 40}, torch.LongStorage {2 ^ 40})
    fails('', torch.FloatTensor, s, 1, torch.LongStorage {2}, torch.LongStorage {-1})
  end)

  it('takes a tensor, and shares its memory', function()
    local x = torch.FloatTensor {1, 2}
    local y = torch.FloatTensor(x)
    y[1] = 5
    assert.equal(5, x[1])
    assert.is_true(y:isSetTo(x))
    fails('a DoubleTensor expected, got a FloatTensor', torch.DoubleTensor, x)
  end)

  it('has new as a method', function()
    local x = torch.IntTensor {1, 2}
    assert.equal('torch.IntTensor', x.new(3):type())
    assert.equal('torch.IntTensor', x:new():type())
    assert.is_true(x:new():isSetTo(x))
  end)
end)

describe('makers', function()
  it('fill', function()
    assert.equal(0, torch.zeros(2, 3):sum())
    assert.equal(6, torch.ones(2, 3):sum())
    assert.equal(9, torch.full(2, 2, 2.25):sum())
    assert.same({2, 3, 4}, torch.range(2, 4):totable())
    assert.same({4, 2.5, 1}, torch.range(4, 1, -1.5):totable())
    assert.same({0, 0.25, 0.5, 0.75, 1}, torch.linspace(0, 1, 5):totable())
    assert.equal(100, torch.linspace(0, 1):nElement())
    assert.same({{1, 0, 0}, {0, 1, 0}}, torch.eye(2, 3):totable())
    assert.same({3}, torch.linspace(3, 8, 1):totable())
    fails('range', torch.range, 1, 5, 0)
    fails('range', torch.range, 1, 5, -1)
    fails('range', torch.range, 1, 1 / 0)
    fails('range', torch.range, 0 / 0, 1)
    fails('eye', torch.eye, -1)
  end)

  it('take options', function()
    local x = torch.zeros(2, {dtype = 'float64', requires_grad = true})
    assert.equal('torch.DoubleTensor', x:type())
    assert.is_true(x.requires_grad)
    assert.equal('torch.LongTensor', torch.randperm(5, 'torch.LongTensor'):type())
    assert.equal('torch.LongTensor', torch.ones(2, 'torch.LongTensor'):type())
    assert.equal('torch.HalfTensor', torch.zeros(2, {dtype = 'float16', device = 'cpu'}):type())
    fails("no option 'typo'", torch.zeros, 2, {typo = 1})
    fails('no such device', torch.zeros, 2, {device = 'abacus'})
    fails('dtype', torch.zeros, 2, {dtype = 'float31'})
    fails('no such type', torch.zeros, 2, 'torch.NoTensor')
    fails('floating%-point', torch.zeros, 2, {dtype = 'int32', requires_grad = true})
  end)

  it('take a destination', function()
    local x = torch.Tensor()
    assert.is_true(rawequal(x, torch.zeros(x, 2, 3)))
    assert.same({2, 3}, sizes(x))
    x:ones(3)
    assert.same({1, 1, 1}, x:totable())
    x:range(1, 2)
    assert.same({1, 2}, x:totable())
    assert.is_true(rawequal(x, torch.eye(x, 2)))
    assert.same({{1, 0}, {0, 1}}, x:totable())
    assert.same({3, 4}, sizes(x:rand(3, 4)))
  end)

  it('go by another tensor', function()
    local x = torch.DoubleTensor(2, 3)
    assert.equal('torch.DoubleTensor', torch.zeros_like(x):type())
    assert.same({2, 3}, sizes(torch.ones_like(x)))
    assert.same({2, 3}, sizes(torch.randn_like(x)))
    fails('zeros_like', torch.zeros_like, 3)
  end)

  it('torch.tensor reads numbers and tables', function()
    assert.equal(0, torch.tensor(3):dim())
    assert.equal(3, torch.tensor(3):item())
    assert.same({{1, 2}}, torch.tensor({{1, 2}}, {dtype = 'int64'}):totable())
    assert.is_true(torch.tensor({1.5}, {requires_grad = true}).requires_grad)
    fails('', torch.tensor, 'x')
  end)
end)

describe('storages', function()
  it('are flat memory', function()
    local s = torch.LongStorage {4, 5, 6}
    assert.equal(3, s:size())
    assert.equal(3, #s)
    assert.equal(5, s[2])
    s[2] = 7
    assert.same({4, 7, 6}, s:totable())
    s:fill(1)
    assert.same({1, 1, 1}, s:totable())
    s:resize(5)
    assert.equal(5, s:size())
    assert.equal(1, s[3])
    assert.equal(8, s:elementSize())
    assert.equal('torch.LongStorage', s:type())
    s:copy(torch.DoubleStorage {1.5, 2.5, 3.5, 4.5, 5.5})
    assert.same({1, 2, 3, 4, 5}, s:totable())
    assert.equal('torch.ByteStorage', torch.ByteStorage(2):type())
    assert.equal(0, torch.ByteStorage():size())
  end)

  it('fail outside', function()
    local s = torch.LongStorage {4, 5, 6}
    fails('index 4 is out of range: the storage has 3 elements', function() return s[4] end)
    fails('out of range', function() return s[0] end)
    fails('out of range', function() s[4] = 1 end)
    fails('resize', function() s:resize(-1) end)
    fails('', function() s:resize('x') end)
    fails('', torch.LongStorage, -1)
    fails('', torch.LongStorage, {1, 'x'})
    fails('', torch.LongStorage, 2 ^ 60)
  end)

  it('are shared by views', function()
    local x = torch.range(1, 6):view(2, 3)
    assert.equal(6, x:storage():size())
    assert.equal(4, x[2]:storageOffset())
    assert.is_true(x:storage() == x[2]:storage())
    x:storage()[4] = 0
    assert.equal(0, x[2][1])
    assert.is_nil(torch.Tensor():storage())
  end)

  it('cannot shrink under a tensor that shows them', function()
    local x = torch.range(1, 1000)
    pcall(function() x:storage():resize(1) end)
    pcall(function() return x:sum() end)
    pcall(function() return x[1000] end)
    pcall(function() x[1000] = 1 end)
    pcall(function() return x:clone() end)
    pcall(tostring, x)
  end)
end)

describe('conversion', function()
  local names = {'byte', 'char', 'short', 'int', 'long', 'half', 'bfloat16', 'float', 'double',
    'bool'}

  it('between all types keeps small whole numbers', function()
    for _, from in ipairs(names) do
      for _, to in ipairs(names) do
        local x = torch.DoubleTensor {0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 1, 1}
        local y = x[from](x)
        local z = y[to](y)
        assert.same(x:totable(), z:double():totable(), from .. ' to ' .. to)
      end
    end
  end)

  it('between numbers keeps what both hold', function()
    local values = {-100, -1, 0, 5, 100, 127}
    for _, from in ipairs(names) do
      for _, to in ipairs(names) do
        if from ~= 'byte' and from ~= 'bool' and to ~= 'byte' and to ~= 'bool' then
          local x = torch.DoubleTensor(values)
          local y = x[from](x)
          assert.same(values, y[to](y):double():totable(), from .. ' to ' .. to)
        end
      end
    end
  end)

  it('of whole numbers wraps around', function()
    local x = torch.LongTensor {255, 256, 257, -1, 128, 32768, 65536, -129}
    assert.same({255, 0, 1, 255, 128, 0, 0, 127}, x:byte():totable())
    assert.same({-1, 0, 1, -1, -128, 0, 0, 127}, x:char():totable())
    assert.same({255, 256, 257, -1, 128, -32768, 0, -129}, x:short():totable())
    local y = torch.LongTensor {2 ^ 31, 2 ^ 32 + 5, -2 ^ 31 - 1}
    assert.same({-2 ^ 31, 5, 2 ^ 31 - 1}, y:int():totable())
  end)

  it('of fractions cuts them off', function()
    assert.same({1, -1, 0, 0, 2}, torch.DoubleTensor({1.9, -1.9, 0.5, -0.5, 2}):int():totable())
    assert.same({1, 1, 0, 1}, torch.DoubleTensor({0.5, -3, 0, 0 / 0}):bool():totable())
  end)

  it('of what no whole number holds is some number, not a crash', function()
    local x = torch.DoubleTensor {0 / 0, 1 / 0, -1 / 0, 1e300, -1e300, 2 ^ 63, -2 ^ 64}
    for _, to in ipairs {'byte', 'char', 'short', 'int', 'long'} do
      assert.equal(7, x[to](x):nElement())
      assert.equal(7, x:float()[to](x:float()):nElement())
    end
  end)

  it('to half rounds to the nearest, ties to even', function()
    local x = torch.DoubleTensor {2049, 2051, 0.1, 65504, 65519, 65520, 1e-8, 2 ^ -24, 2 ^ -25,
      2 ^ -25 * 1.5, -0.1, 1 + 2 ^ -11, 1 + 3 * 2 ^ -11}
    assert.same({2048, 2052, 0.0999755859375, 65504, 65504, math.huge, 0, 2 ^ -24, 0, 2 ^ -24,
      -0.0999755859375, 1, 1 + 2 ^ -9}, x:half():double():totable())
    local nan = torch.DoubleTensor {0 / 0}:half():double()[1]
    assert.is_true(nan ~= nan)
    assert.equal(-math.huge, torch.DoubleTensor {-1 / 0}:half():double()[1])
  end)

  it('to bfloat16 rounds to the nearest, ties to even', function()
    local x = torch.DoubleTensor {1 + 2 ^ -8, 1 + 3 * 2 ^ -8, 257, 259, 0.1, 3.4e38, 1e-40}
    assert.same({1, 1 + 2 ^ -6, 256, 260, 0.10009765625, math.huge},
      x:narrow(1, 1, 6):bfloat16():double():totable())
    local nan = torch.DoubleTensor {0 / 0}:bfloat16():double()[1]
    assert.is_true(nan ~= nan)
  end)

  it('agrees for every half, there and back', function()
    local bits = torch.range(0, 65535)
    local s = torch.HalfStorage(65536)
    local h = torch.HalfTensor(s)
    local bytes = torch.ByteTensor(65536 * 2)
    -- Where the low byte of a number is: first, or behind the high one.
    local low = torch.storage_tostring(torch.ShortStorage {1}, 1, 1):byte(1) == 1 and 0 or 1
    for k = 0, 65535 do
      bytes[2 * k + 1 + low], bytes[2 * k + 2 - low] = k % 256, math.floor(k / 256)
    end
    torch.storage_fromstring(s, 1, torch.storage_tostring(bytes:storage(), 1, 65536 * 2))
    local back = h:float():half():storage()
    local same = torch.storage_tostring(s, 1, 65536)
    local got = torch.storage_tostring(back, 1, 65536)
    local wrong = 0
    for k = 0, 65535 do
      local nan = math.floor(k / 1024) % 32 == 31 and k % 1024 ~= 0
      if not nan and same:sub(2 * k + 1, 2 * k + 2) ~= got:sub(2 * k + 1, 2 * k + 2) then
        wrong = wrong + 1
      end
    end
    assert.equal(0, wrong)
    assert.equal(65536, bits:nElement())
  end)

  it('has Torch7\'s forms', function()
    local x = torch.FloatTensor {1.5}
    assert.equal('torch.FloatTensor', x:type())
    assert.is_true(rawequal(x, x:float()))
    assert.is_true(rawequal(x, x:type('torch.FloatTensor')))
    assert.equal('torch.IntTensor', x:type('torch.IntTensor'):type())
    assert.equal('torch.DoubleTensor', x:typeAs(torch.DoubleTensor()):type())
    assert.equal('torch.HalfTensor', x:to('float16'):type())
    fails('no such type', function() x:type('torch.NoTensor') end)
  end)

  it('of strided tensors', function()
    local x = torch.range(1, 40):view(5, 8):t()
    assert.same(x:totable(), x:int():totable())
    assert.same(x:totable(), x:half():double():totable())
    assert.same(x[{{}, {2, 4}}]:totable(), x[{{}, {2, 4}}]:long():totable())
  end)
end)

describe('the default type', function()
  it('can be switched', function()
    assert.equal('torch.FloatTensor', torch.getdefaulttensortype())
    torch.setdefaulttensortype('torch.DoubleTensor')
    local made = {torch.zeros(1):type(), torch.Tensor(1):type(), torch.rand(1):type()}
    torch.setdefaulttensortype('torch.FloatTensor')
    assert.same({'torch.DoubleTensor', 'torch.DoubleTensor', 'torch.DoubleTensor'}, made)
    fails('floating%-point', torch.setdefaulttensortype, 'torch.IntTensor')
    fails('', torch.setdefaulttensortype, 'nonsense')
  end)
end)

describe('questions', function()
  it('are answered', function()
    local x = torch.zeros(2, 3)
    assert.equal(2, x:dim())
    assert.equal(2, x:nDimension())
    assert.equal(3, x:size(2))
    assert.equal(3, x:size(-1))
    assert.equal(3, x:stride(1))
    assert.same({3, 1}, x:stride():totable())
    assert.equal(6, x:nElement())
    assert.equal(4, x:elementSize())
    assert.is_true(x:isContiguous())
    assert.is_false(x:t():isContiguous())
    assert.is_true(x:isSameSizeAs(torch.ones(2, 3):double()))
    assert.is_true(x:isSize(torch.LongStorage {2, 3}))
    assert.is_true(torch.isTensor(x) and not torch.isTensor(3))
    fails('dimension 3 is out of range', function() x:size(3) end)
    fails('dimension 0 is out of range', function() x:size(0) end)
  end)

  it('can be answered by a table', function()
    assert.same({{1, 2}, {3, 4}}, torch.Tensor({{1, 2}, {3, 4}}):totable())
    assert.same({}, torch.Tensor():totable())
    assert.equal(5, torch.Tensor({5}):item())
    fails('one element expected, this one has 2', function() torch.zeros(2):item() end)
  end)
end)

describe('shapes in place', function()
  it('change by resize', function()
    local x = torch.range(1, 6)
    x:resize(2, 3)
    assert.same({{1, 2, 3}, {4, 5, 6}}, x:totable())
    x:resize(2)
    assert.same({1, 2}, x:totable())
    x:resize(6)
    assert.same({1, 2, 3, 4, 5, 6}, x:totable())
    assert.same({4, 5}, sizes(x:resizeAs(torch.zeros(4, 5))))
    fails('resize', function() x:resize('a') end)
    fails('', function() x:resize(2 ^ 40, 2 ^ 40) end)
  end)

  it('change by set', function()
    local x, y = torch.zeros(2), torch.ones(3, 3)
    x:set(y)
    assert.is_true(x:isSetTo(y))
    x:set()
    assert.equal(0, x:nElement())
    x:set(y:storage(), 2, torch.LongStorage {2})
    assert.same({1, 1}, x:totable())
  end)

  it('are cut by sub, split and chunk', function()
    local x = torch.range(1, 12):view(3, 4)
    assert.same({{6, 7}, {10, 11}}, x:sub(2, 3, 2, 3):totable())
    assert.same({{12}}, x:sub(-1, -1, -1, -1):totable())
    assert.equal(2, #x:split(2))
    assert.same({{9, 10, 11, 12}}, x:split(2)[2]:totable())
    assert.equal(2, #x:chunk(2, 2))
    fails('sub', function() x:sub(2, 4) end)
    fails('sub', function() x:sub(1) end)
    fails('split', function() x:split(0) end)
    fails('chunk', function() x:chunk(2, 3) end)
  end)

  it('call functions on elements', function()
    local x = torch.Tensor {1, 2, 3}
    x:apply(function(v) return v * 2 end)
    assert.same({2, 4, 6}, x:totable())
    x:apply(function() end)
    x:map(torch.Tensor {1, 1, 2}, function(a, b) return a + b end)
    assert.same({3, 5, 8}, x:totable())
    x:map2(x:clone(), x:clone(), function(a, b, c) return a + b - c end)
    fails('must return a number', function() x:apply(function() return 'x' end) end)
    fails('as many elements', function() x:map(torch.zeros(2), function() end) end)
    fails('stop', function() x:apply(function() error('stop') end) end)
    fails('changed', function() x:apply(function() x:resize(0) end) end)
  end)
end)
