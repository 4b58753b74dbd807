-- Devices as scripts see them. Where there is no GPU, every way to one gives the same clear error;
-- where there is one, results are compared with the CPU's.
local torch = require('torch')
local program = require('spec.vm.program')
local near = require('spec.cuda.compare').near
local unpack = table.unpack or unpack

local available = torch.cuda.is_available()
-- The suite may run before the plug-in has been built, or where it cannot be.
local plugin = (function()
  for _, folder in ipairs { program.build, program.build .. '/..' } do
    local file = io.open(folder .. '/libmoonlet-cuda.so', 'rb')
    if file then
      file:close()
      return folder .. '/libmoonlet-cuda.so'
    end
  end
end)()

local function needed_libraries(file)
  local text, status = program.shell('readelf -d ' .. program.quote(file))
  if status ~= 0 then return nil end
  local names = {}
  for name in text:gmatch('NEEDED[^%[]*%[([^%]]+)%]') do names[#names + 1] = name end
  return table.concat(names, ' ')
end

describe('a tensor on the CPU', function()
  it('says so', function()
    assert.are.equal('cpu', torch.randn(2).device)
    assert.are.equal('cpu', torch.zeros(2, { device = 'cpu' }).device)
  end)

  it('is itself where it is asked for', function()
    local x = torch.randn(3)
    assert.is_true(x:cpu() == x)
    assert.is_true(x:to('cpu') == x)
    assert.is_true(x:to('float32') == x)
    assert.is_true(x:to { device = 'cpu', dtype = 'float32' } == x)
  end)

  it('converts on the way', function()
    local x = torch.Tensor { 1.5, 2.5 }
    assert.are.equal('torch.DoubleTensor', x:to('float64'):type())
    assert.are.equal('torch.IntTensor', x:to('cpu', 'int32'):type())
    assert.are.equal('torch.LongTensor', x:to(torch.LongTensor(1)):type())
    assert.are.same({ 1, 2 }, x:to({ dtype = 'int64' }):totable())
  end)

  it('keeps its gradient through a conversion', function()
    local x = torch.Tensor { 1, 2 }
    x.requires_grad = true
    x:to('float64'):sum():backward()
    assert.are.same({ 1, 1 }, x.grad:totable())
    assert.are.equal('torch.FloatTensor', x.grad:type())
  end)

  it('goes to no device that there is not', function()
    local x = torch.randn(3)
    assert.has_error(function() x:to('tpu') end)
    assert.has_error(function() x:to('cuda:') end)
    assert.has_error(function() x:to('cuda:1000') end)
    assert.has_error(function() x:cuda(0) end)
    assert.has_error(function() x:cuda('one') end)
    assert.has_error(function() torch.zeros(2, { device = 1 }) end)
    local _, message = pcall(x.to, x, 'tpu')
    assert.is_truthy(message:find("no such device: 'tpu'", 1, true))
  end)
end)

describe('the plug-in', function()
  it('is nothing that the program is linked with', function()
    for _, file in ipairs { '/moonlet', '/libmoonlet.so', '/moonlet.so' } do
      local names = needed_libraries(program.build .. file)
      assert.is_nil(names and names:match('cuda'))
    end
  end)

  it('needs no driver to be opened', function()
    local names = plugin and needed_libraries(plugin)
    assert.is_nil(names and names:match('libcuda'))
  end)

  it('stays below 25 MB', function()
    if not plugin then return end
    local file = assert(io.open(plugin, 'rb'))
    local size = file:seek('end')
    file:close()
    assert.is_true(size < 25e6, ('%d bytes'):format(size))
  end)

  it('is looked for where MOONLET_CUDA says', function()
    local function try(where)
      return (program.shell(('MOONLET_CUDA=%s %s -e "torch.randn(3):cuda()"')
        :format(program.quote(where), program.path)))
    end
    local message = 'libmoonlet-cuda.so not found (looked in /nowhere)'
    assert.is_truthy(try('/nowhere'):find(message, 1, true))
    local name = os.tmpname()
    assert.is_truthy(try(name):find('cuda: ' .. name, 1, true))
    os.remove(name)
  end)
end)

if not available then
  describe('without a GPU', function()
    it('there is none, and a reason', function()
      local n, why = torch.cuda.device_count()
      assert.are.equal(0, n)
      assert.are.equal('cuda: ', why:sub(1, 6))
      if plugin then
        assert.is_truthy(why:find('driver') or why:find('no GPU found'), why)
      end
    end)

    it('every way to one gives that reason', function()
      local _, why = torch.cuda.device_count()
      local x = torch.randn(3)
      for _, way in ipairs {
        function() x:cuda() end,
        function() x:cuda(2) end,
        function() x:to('cuda') end,
        function() x:to('cuda:1') end,
        function() x:to { device = 'cuda' } end,
        function() torch.randn(3, { device = 'cuda' }) end,
        function() torch.tensor({ 1, 2 }, { device = 'cuda' }) end,
        function() torch.range(1, 3, { device = 'cuda' }) end,
        function() torch.cuda.synchronize() end,
      } do
        local ok, message = pcall(way)
        assert.is_false(ok)
        assert.is_truthy(message:find(why, 1, true), message)
      end
    end)

    it('the tensor is as it was', function()
      local x = torch.Tensor { 1, 2, 3 }
      pcall(x.cuda, x)
      assert.are.same({ 1, 2, 3 }, x:totable())
      assert.are.equal('cpu', x.device)
    end)
  end)
  return
end

-- ---------------------------------------------------------------------------------------------
-- With a GPU.

local TOLERANCE = { float64 = 1e-12, float32 = 1e-5, float16 = 2e-2, bfloat16 = 1e-1 }

local function inputs_of(op)
  local n = 0
  for part in (op.args .. ';'):gmatch('%s*(.-);') do
    if part:match('^[TX] ') then n = n + 1 end
  end
  return n
end

describe('on a GPU', function()
  it('values go there and back', function()
    for _, dtype in ipairs { 'uint8', 'int32', 'int64', 'float16', 'bfloat16', 'float32',
        'float64' } do
      local x = torch.range(1, 24):to(dtype):view(2, 3, 4)
      local g = x:cuda()
      assert.are.equal('cuda:0', g.device)
      assert.are.same(x:totable(), g:cpu():totable())
      assert.are.same(x:transpose(1, 3):totable(), g:transpose(1, 3):cpu():totable())
      assert.are.equal(x[{ 2, 3, 4 }], g[{ 2, 3, 4 }])
    end
  end)

  it('uniform numbers are the CPU\'s', function()
    for _, dtype in ipairs { 'float32', 'float64' } do
      torch.manualSeed(3)
      local x = torch.rand(1000, { dtype = dtype })
      torch.manualSeed(3)
      local g = torch.rand(1000, { dtype = dtype, device = 'cuda' })
      assert.are.same(x:totable(), g:cpu():totable())
    end
  end)

  it('normal numbers are the CPU\'s but for rounding', function()
    torch.manualSeed(3)
    local x = torch.randn(1000)
    torch.manualSeed(3)
    near(torch.randn(1000, { device = 'cuda' }), x, 1e-5, 'randn')
  end)

  for _, op in ipairs(torch.ops) do
    if op.pointwise then
      it(op.op .. ' does what the CPU does', function()
        local dtypes = op.floats and { 'float32', 'float64', 'float16', 'bfloat16' } or {}
        if op.integers then dtypes[#dtypes + 1] = 'int64' end
        for _, dtype in ipairs(dtypes) do
          local shapes = { { 6, 1000 }, { 6, 1 }, { 1000 } }
          local here, there = {}, {}
          for i = 1, inputs_of(op) do
            local x = torch.Tensor(unpack(shapes[i])):uniform(op.low, op.high)
            if not dtype:match('float') then x:uniform(1, 9) end
            here[i] = x:to(dtype)
            there[i] = here[i]:cuda()
          end
          local extra = op.args:match('; n .-; n ') and { 0.25, 0.75 }
            or op.args:match('; n %w+$') and { 0.5 } or {}
          for k = 1, #extra do
            here[#here + 1] = extra[k]
            there[#there + 1] = extra[k]
          end
          local f = torch[op.name]
          local expected = f(unpack(here))
          near(f(unpack(there)), expected, TOLERANCE[expected.dtype] or 0, op.op .. ' ' .. dtype)
        end
      end)
    end
  end

  it('a storage there has values, but no bytes for the host', function()
    local x = torch.range(1, 6):view(2, 3):cuda()
    local s = x:storage()
    assert.are.equal(6, s:size())
    assert.are.equal(4, s[4])
    s[4] = 40
    assert.are.equal(40, x[{ 2, 1 }])
    assert.are.same({ 1, 2, 3, 40, 5, 6 }, s:totable())
    local y = torch.CudaTensor(s, 2, torch.LongStorage { 2 })
    assert.are.equal('cuda:0', y.device)
    y:fill(7)
    assert.are.same({ 1, 7, 7, 40, 5, 6 }, x:cpu():view(-1):totable())
    s:fill(0)
    assert.are.equal(0, x:cpu():sum())
    for name, f in pairs { data = function() return s:data() end,
        part = function() return torch.FloatStorage(s, 2) end,
        tensor = function() return x:data() end,
        sizes = function() return torch.zeros(torch.LongTensor { 2, 3 }:cuda():storage()) end,
        file = function() torch.MemoryFile('w'):writeFloat(s) end } do
      local ok, message = pcall(f)
      assert.is_false(ok, name)
      assert.is_truthy(message:find('cuda:0') or message:find('CPU')
        or message:find('pointers need LuaJIT'), name .. ': ' .. message)
    end
  end)

  it('devices are not mixed', function()
    local _, message = pcall(torch.add, torch.randn(2):cuda(), torch.randn(2))
    assert.is_truthy(message:find('add: input 2 is on cpu, but others are on cuda:0', 1, true))
  end)

  it('gradients come back', function()
    local x = torch.randn(5)
    x.requires_grad = true
    local y = torch.mul(torch.tanh(x:cuda()), 2)
    y:backward(torch.ones(5, { device = 'cuda' }))
    local t = torch.tanh(x:detach())
    near(x.grad, torch.add(torch.mul(torch.cmul(t, t), -2), 2), 1e-5, 'gradient')
  end)
end)
