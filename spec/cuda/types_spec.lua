-- The types of a GPU's tensors, as Torch7's programs know them.
local torch = require 'torch'
local program = require 'spec.vm.program'

local available = torch.cuda.is_available()

describe('types of a GPU', function()
  it('have names that are known everywhere', function()
    for name, dtype in pairs { CudaTensor = 'float32', CudaDoubleTensor = 'float64',
        CudaHalfTensor = 'float16', CudaBFloat16Tensor = 'bfloat16', CudaIntTensor = 'int32',
        CudaLongTensor = 'int64', CudaShortTensor = 'int16', CudaCharTensor = 'int8',
        CudaByteTensor = 'uint8', CudaBoolTensor = 'bool' } do
      assert.equal(dtype, torch.dtype_name('torch.' .. name))
      assert.equal('torch.' .. name, tostring(torch[name]))
      assert.is_table(torch.getmetatable('torch.' .. name))
      assert.is_not_nil(torch[(name:gsub('Tensor', 'Storage'))])
    end
    for _, name in ipairs { 'CudaFloatTensor', 'CudaTensors', 'Cuda', 'CudaXTensor',
      'CudaQStorage' } do
      assert.is_nil(torch[name], name)
    end
    assert.is_nil(torch.dtype_name('torch.CudaFloatTensor'))
  end)

  it('have the members that were registered before and after they were made', function()
    local output, status = program.run('-', [[
      torch.register_member('before', 'b', {float32 = true})
      local types = {}
      for i, name in ipairs {'Cuda', 'CudaLong'} do
        types[i] = torch.getmetatable('torch.' .. name .. 'Tensor')
      end
      torch.register_member('after', 'a', {int64 = true})
      torch.register_member('all', '*')
      for _, mt in ipairs(types) do print(mt.before, mt.after, mt.all) end
      local x, n = torch.FloatTensor(1), torch.LongTensor(1)
      print(x.before, x.after, x.all, n.before, n.after, n.all, x:storage().all)
      print(pcall(torch.register_member, 'x', 1, 'float32'))]])
    assert.equal(0, status, output)
    assert.equal([[
b	nil	*
nil	a	*
b	nil	*	nil	a	*	nil
false	torch.register_member: expected (string, anything [, table]), got (string, number, string)
]], output)
  end)

  if available then return end
  it('say without a GPU why there can be no such tensor', function()
    for _, f in ipairs { function() return torch.CudaTensor(2, 3) end,
        function() return torch.CudaStorage(2) end,
        function() return torch.zeros(2):type('torch.CudaTensor') end,
        function() return torch.zeros(2, 'torch.CudaTensor') end,
        function() return torch.zeros(2):cudaHalf() end,
        function() torch.setdefaulttensortype('torch.CudaTensor') end } do
      local ok, message = pcall(f)
      assert.is_false(ok)
      assert.is_truthy(message:find('cuda: ', 1, true), message)
    end
    assert.equal('torch.FloatTensor', torch.getdefaulttensortype())
  end)
end)

if not available then return end

local KINDS = { Byte = 'uint8', Char = 'int8', Short = 'int16', Int = 'int32', Long = 'int64',
  Half = 'float16', Double = 'float64' }

describe('a tensor on a GPU', function()
  it('has a type of its own', function()
    local x = torch.randn(2, 3):cuda()
    assert.equal('torch.CudaTensor', torch.type(x))
    assert.equal('torch.CudaTensor', x:type())
    assert.equal('torch.CudaTensor', torch.typename(x))
    assert.is_true(torch.isTensor(x))
    assert.is_true(torch.is_tensor(x))
    assert.is_true(torch.isTypeOf(x, 'torch.CudaTensor'))
    assert.is_true(torch.isTypeOf(x, torch.CudaTensor))
    assert.is_false(torch.isTypeOf(x, 'torch.FloatTensor'))
    assert.is_true(getmetatable(x) == torch.getmetatable('torch.CudaTensor'))
    assert.is_true(torch.isStorage(x:storage()))
    assert.equal('torch.CudaStorage', torch.type(x:storage()))
    assert.equal(1, x:getDevice())
    assert.equal(0, x:float():getDevice())
    assert.equal(1, x:storage():getDevice())
  end)

  it('prints with its type', function()
    assert.is_truthy(tostring(torch.CudaTensor { { 1, 2 }, { 3, 4 } }):find(
      ' 1  2\n 3  4\n%[torch.CudaTensor of size 2x2%]'))
    assert.is_truthy(tostring(torch.CudaLongStorage {
      7 }):find('7\n%[torch.CudaLongStorage of size 1%]'))
  end)

  it('is made by constructors', function()
    assert.same({ 2, 3 }, torch.CudaTensor(2, 3):size():totable())
    assert.same({ 2, 3 }, torch.CudaDoubleTensor(torch.LongStorage { 2, 3 }):size():totable())
    assert.same({ 2, 3 }, torch.CudaLongTensor(torch.LongStorage { 2, 3 }):size():totable())
    assert.same({ { 1, 2 }, { 3, 4 } }, torch.CudaTensor { { 1, 2 }, { 3, 4 } }:totable())
    local x = torch.CudaTensor { 1, 2, 3 }
    assert.is_true(torch.CudaTensor(x):isSetTo(x))
    local s = torch.CudaStorage { 4, 5, 6 }
    local y = torch.CudaTensor(s, 2)
    assert.same({ 5, 6 }, y:totable())
    y:fill(0)
    assert.same({ 4, 0, 0 }, s:totable())
    assert.equal(0, torch.CudaTensor():nElement())
    assert.equal('torch.CudaTensor', torch.CudaTensor():type())
    assert.equal(5, torch.CudaIntStorage(5):size())
    for _, f in ipairs { function() return torch.CudaTensor(torch.zeros(2)) end,
        function() return torch.CudaTensor(torch.FloatStorage(2)) end,
        function() return torch.FloatTensor(x) end,
        function() return torch.FloatTensor(s) end,
        function() return torch.CudaHalfTensor(x) end,
        function() return torch.CudaStorage(torch.FloatStorage(2)) end,
        function() return torch.zeros(2):set(x) end } do
      local ok, message = pcall(f)
      assert.is_false(ok)
      assert.is_truthy(message:find('expected, got a'), message)
    end
  end)

  it('is made by options and by others of its type', function()
    assert.equal('torch.CudaTensor', torch.zeros(2, 'torch.CudaTensor'):type())
    assert.equal('torch.CudaHalfTensor', torch.ones(2, { dtype = 'torch.CudaHalfTensor' }):type())
    for _, make in ipairs { 'zeros', 'ones', 'rand', 'randn', 'empty', 'eye' } do
      local x = torch[make](2, { device = 'cuda', dtype = 'float64' })
      assert.equal('torch.CudaDoubleTensor', x:type(), make)
    end
    assert.equal('torch.CudaTensor', torch.tensor({ 1.5 }, { device = 'cuda' }):type())
    assert.equal('torch.CudaTensor', torch.full({ 2 }, 3, { device = 'cuda' }):type())
    assert.equal('torch.CudaLongTensor', torch.arange(3, { device = 'cuda' }):type())
    assert.equal('torch.CudaTensor', torch.linspace(0, 1, 3, { device = 'cuda' }):type())
    assert.equal('cuda:0', torch.randperm(3, { device = 'cuda' }).device)
    local x = torch.CudaDoubleTensor(2, 2):fill(3)
    assert.is_true(x:new():isSetTo(x))
    for _, y in ipairs { x:new(3), x.new(3), x.new(), x.new { 1, 2 }, x:new_zeros(2), x:new_full({
      2 }, 1),
        x:new_tensor { 1, 2 }, torch.zeros_like(x), x:clone(), x:t(), x + 1, x[1] } do
      assert.equal('torch.CudaDoubleTensor', y:type())
    end
    assert.equal('torch.CudaDoubleTensor', x.new(x:storage(), 1, torch.LongStorage { 2 }):type())
  end)

  it('converts, as in Torch7', function()
    local x = torch.FloatTensor { 1, 2, 3 }
    for kind, dtype in pairs(KINDS) do
      local y = x['cuda' .. kind](x)
      assert.equal(('torch.Cuda%sTensor'):format(kind), y:type())
      assert.equal(dtype, y.dtype)
      assert.same({ 1, 2, 3 }, y:totable())
      local z = y[kind:lower()](y)
      assert.equal(('torch.%sTensor'):format(kind), z:type())
      assert.same({ 1, 2, 3 }, z:totable())
      assert.equal(z:type(), x:cuda()[kind:lower()](x:cuda()):type())
    end
    assert.equal('torch.FloatTensor', x:cudaDouble():float():type())
    assert.equal('torch.CudaTensor', x:cudaDouble():cudaFloat():type())
    -- these are not of Torch7, and stay where the tensor is
    assert.equal('torch.CudaBFloat16Tensor', x:cuda():bfloat16():type())
    assert.equal('torch.CudaBoolTensor', x:cuda():bool():type())
  end)

  it('goes where a type is', function()
    local x = torch.randn(3)
    local y = x:type('torch.CudaTensor')
    assert.is_true(y:type('torch.CudaTensor') == y)
    assert.equal('torch.CudaIntTensor', y:type('torch.CudaIntTensor'):type())
    assert.equal('torch.FloatTensor', y:type('torch.FloatTensor'):type())
    assert.equal('torch.CudaDoubleTensor', y:type('float64'):type()) -- no place in the name
    assert.equal('torch.CudaTensor', x:typeAs(y):type())
    assert.equal('torch.FloatTensor', y:typeAs(x):type())
    assert.is_true(y:typeAs(y) == y)
    assert.is_true(torch.csub(y:typeAs(x), x):abs():max() == 0)
    assert.equal('torch.CudaStorage', x:storage():type('torch.CudaStorage'):type())
    assert.equal('torch.DoubleStorage', y:storage():type('torch.DoubleStorage'):type())
    assert.has_error(function() y:type('torch.CudaFloatTensor') end)
  end)

  it('copies between types and places', function()
    local x = torch.CudaTensor(3):copy(torch.DoubleTensor { 1.5, 2.5, 3.5 })
    assert.same({ 1.5, 2.5, 3.5 }, x:totable())
    assert.same({ 1, 2, 3 }, torch.IntTensor(3):copy(x):totable())
    assert.same({ 1, 2, 3 }, torch.CudaLongTensor(3):copy(x):totable())
    local s = torch.CudaStorage(3):copy(torch.FloatStorage { 1, 2, 3 })
    assert.same({ 1, 2, 3 }, torch.FloatStorage(3):copy(s):totable())
  end)

  it('can be given methods', function()
    function torch.CudaTensor.of_a_gpu(x) return x:dim() end
    function torch.FloatTensor.of_the_cpu(x) return x:dim() end
    local x = torch.CudaTensor(2, 3)
    assert.equal(2, x:of_a_gpu())
    assert.is_nil(torch.zeros(1).of_a_gpu)
    assert.equal(2, x:of_the_cpu()) -- what a GPU's type has not is looked for in the CPU's
    torch.CudaTensor.of_a_gpu, torch.FloatTensor.of_the_cpu = nil, nil
    assert.is_nil(x.of_the_cpu)
  end)

  it('takes indices and masks from the CPU', function()
    local here = torch.range(1, 12):view(3, 4)
    local x = here:cuda()
    local rows, mask = torch.LongTensor { 3, 1 }, here:gt(5)
    local function same(a, b) assert.same(b:totable(), a:totable()) end
    same(x[rows], here[rows])
    same(x[mask], here[mask])
    same(x[{ {}, rows }], here[{ {}, rows }])
    same(x:index(1, rows), here:index(1, rows))
    same(x:maskedSelect(mask), here:maskedSelect(mask))
    same(x:gather(2, torch.LongTensor { { 1 }, { 2 }, { 4 } }), here:gather(2, torch.LongTensor { {
      1 }, { 2 }, { 4 } }))
    for _, t in ipairs { x, here } do
      t[rows] = torch.zeros(2, 4)
      t[t:cpu():eq(6)] = -6
      t[{ { 2 }, { 3, 4 } }] = torch.Tensor { 70, 80 }
      t[{ rows, {} }] = torch.ones(4)
      t:maskedFill(here:eq(5), -5)
      t:indexFill(2, torch.LongTensor { 4 }, 9)
      t[1][2] = 11
      t[{ 3, 3 }] = 12
    end
    same(x, here)
    assert.equal(11, x[{ 1, 2 }])
  end)

  it('can be the default', function()
    torch.setdefaulttensortype('torch.CudaTensor')
    local ok, message = pcall(function()
      assert.equal('torch.CudaTensor', torch.getdefaulttensortype())
      for _, x in ipairs { torch.zeros(2), torch.randn(2), torch.Tensor(2), torch.Tensor { 1 },
          torch.Tensor(), torch.range(1, 3), torch.eye(2), torch.linspace(0, 1, 2) } do
        assert.equal('torch.CudaTensor', x:type())
      end
      assert.equal('torch.CudaStorage', torch.type(torch.Storage(2)))
      assert.equal('torch.FloatTensor', torch.FloatTensor(2):type())
      assert.equal('torch.LongStorage', torch.type(torch.Tensor(2):size()))
    end)
    torch.setdefaulttensortype('torch.FloatTensor')
    assert.is_true(ok, message)
    assert.equal('torch.FloatTensor', torch.zeros(2):type())
  end)

  it('maps a function', function()
    local x = torch.CudaTensor { 1, 2, 3 }
    assert.is_true(x:apply(function(v) return v * 2 end) == x)
    assert.same({ 2, 4, 6 }, x:totable())
    x:map(torch.Tensor { 1, 1, 1 }, function(a, b) return a + b end)
    assert.same({ 3, 5, 7 }, x:totable())
  end)

  it('keeps its gradient on the way', function()
    local x = torch.Tensor { 1, 2 }
    x.requires_grad = true
    x:type('torch.CudaDoubleTensor'):sum():backward()
    assert.equal('torch.FloatTensor', x.grad:type())
    local y = torch.CudaTensor { 1, 2 }
    y.requires_grad = true
    y:float():sum():backward()
    assert.equal('torch.CudaTensor', y.grad:type())
  end)
end)

describe('files', function()
  it('have tensors of a GPU', function()
    for _, kind in ipairs { '', 'Double', 'Half', 'BFloat16', 'Int', 'Long', 'Byte', 'Bool' } do
      local x = torch.Tensor { { 1, 0 }, { 1, 1 } }:type(('torch.Cuda%sTensor'):format(kind))
      local value = { a = x, b = x:t(), c = x:storage(), d = x:select(1, 2) }
      local bytes = torch.serialize(value)
      assert.is_truthy(bytes:find(('torch.Cuda%sTensor'):format(kind), 1, true))
      local back = torch.deserialize(bytes)
      assert.equal(x:type(), back.a:type())
      assert.same(x:totable(), back.a:totable())
      assert.same(x:t():totable(), back.b:totable())
      assert.equal(x:storage():type(), back.c:type())
      back.a:fill(0) -- what was shared still is
      assert.equal(0, back.b:float():sum())
      assert.equal(0, back.d:float():sum())
      local here = torch.deserialize(bytes, { device = 'cpu' })
      assert.equal('cpu', here.a.device)
      assert.same(x:totable(), here.a:totable())
      if torch.cuda.device_count() > 1 then
        assert.equal('cuda:1', torch.deserialize(bytes, { device = 'cuda:1' }).a.device)
      end
    end
    assert.equal('torch.CudaTensor', torch.deserialize(torch.serialize(torch.CudaTensor())):type())
    local file = torch.MemoryFile()
    torch.CudaTensor { 1, 2 }:write(file)
    file:seek(1)
    local x = torch.CudaTensor()
    x:read(file)
    assert.same({ 1, 2 }, x:totable())
  end)
end)

describe('as th', function()
  it('x:cuda() gives a CudaTensor', function()
    local text, status = program.shell(('MOONLET_CUDA=%s %s -e %s'):format(
      program.quote(os.getenv('MOONLET_CUDA') or program.build), program.build .. '/moonlet',
      program.quote [[torch.th_defaults()
        local x = torch.zeros(2)
        io.write(x:type(), ' ', x:cuda():type(), ' ', torch.LongTensor(2):cuda():type(), ' ',
          torch.CudaDoubleTensor(2):cuda():type(), ' ', nn.Linear(2, 3):cuda().weight:type())]]))
    assert.equal(0, status, text)
    assert.equal('torch.DoubleTensor' .. (' torch.CudaTensor'):rep(4),
      (text:gsub('%s+$', '')))
  end)
end)
