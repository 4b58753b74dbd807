-- model:freeze(): the same results, from a plan that leaves no garbage; and what cannot be planned.
local torch, nn = require 'torch', require 'nn'

local function long(most, ...)
  return torch.rand(...):mul(most):floor():add(1):long()
end

-- A module that does what a function does.
local Calculation = torch.class('nn.FrozenSpecCalculation', 'nn.Module', {})
function Calculation:__init(fn) self.fn = fn end
function Calculation:updateOutput(x) return self.fn(x) end
local function module(fn) return Calculation.new(fn) end

-- And one that was written for Torch7.
local Old = torch.class('nn.FrozenSpecOld', 'nn.Module', {})
function Old:updateOutput(input)
  self.output:resizeAs(input):copy(input):mul(2)
  self.output:add(1)
  return self.output
end
function Old:updateGradInput(_, dy)
  self.gradInput:resizeAs(dy):copy(dy):mul(2)
  return self.gradInput
end

local function plain(model, x)
  return torch.no_grad(function() return model(x) end)
end

local function near(expected, given)
  if type(expected) == 'table' then
    for key, part in pairs(expected) do near(part, given[key]) end
    return
  end
  assert.same(expected:size():totable(), given:size():totable())
  assert.equal(expected:type(), given:type())
  local apart = (expected:double() - given:double()):abs():max()
  assert.is_true(apart <= 1e-5 * (1 + expected:double():abs():max()))
end

-- Kilobytes that so many calls leave, once the compiler has seen the loop; they must not take
-- memory of tensors either. The least of three times: the compiler may find something to do yet.
local function garbage(frozen, x, calls)
  local function many()
    for _ = 1, calls or 1000 do frozen(x) end
  end
  if jit then jit.off(many) end
  for _ = 1, 3 do many() end
  local least = math.huge
  for _ = 1, 3 do
    collectgarbage()
    collectgarbage('stop')
    local memory = torch.memory()
    local before = collectgarbage('count')
    many()
    least = math.min(least, collectgarbage('count') - before)
    collectgarbage('restart')
    assert.same(memory, torch.memory())
  end
  return least
end

local MODELS = {
  MLP = {function() return nn.MLP{20, 30, 5, batch_norm = true, dropout = 0.3} end,
    function() return torch.randn(3, 20) end},
  LeNet = {function() return nn.LeNet() end, function() return torch.randn(2, 1, 28, 28) end},
  ResNet = {function() return nn.ResNet{depth = 18, width = 8, small_images = true} end,
    function() return torch.randn(1, 3, 32, 32) end},
  ['ResNet with bottlenecks'] = {function() return nn.ResNet{depth = 50, width = 4} end,
    function() return torch.randn(1, 3, 64, 64) end},
  VGG = {function()
    return nn.VGG{depth = 11, width = 4, hidden = 16, pooled = 1, batch_norm = true}
  end, function() return torch.randn(1, 3, 32, 32) end},
  MobileNetV2 = {function() return nn.MobileNetV2{width = 0.25, classes = 6} end,
    function() return torch.randn(1, 3, 32, 32) end},
  Inception = {function()
    return nn.Inception{inputSize = 4, outputSize = {6, 3}, reduceSize = {3, 2, 3, 4}}
  end, function() return torch.randn(1, 4, 9, 9) end},
  UNet = {function() return nn.UNet{channels = 3, classes = 2, width = 4} end,
    function() return torch.randn(1, 3, 32, 32) end},
  VAE = {function() return nn.VAE{} end, function() return torch.rand(2, 784) end},
  DCGANGenerator = {function() return nn.DCGANGenerator{width = 8} end,
    function() return torch.randn(2, 100) end},
  DCGANDiscriminator = {function() return nn.DCGANDiscriminator{width = 8} end,
    function() return torch.randn(2, 3, 64, 64) end},
  DCGAN = {function() return nn.DCGAN{width = 4, size = 32, channels = 1} end,
    function() return torch.randn(2, 100) end},
  CharLSTM = {function() return nn.CharLSTM{vocabulary = 20, width = 16, layers = 2} end,
    function() return long(20, 2, 7) end},
  TransformerBlock = {function()
    return nn.TransformerBlock{width = 16, heads = 4, causal = true}
  end, function() return torch.randn(2, 6, 16) end},
  GPT = {function()
    return nn.GPT{vocabulary = 20, context = 16, layers = 2, heads = 2, width = 16}
  end, function() return long(20, 2, 9) end},
  ViT = {function() return nn.ViT{size = 32, patch = 8, width = 24, layers = 2, heads = 3} end,
    function() return torch.randn(1, 3, 32, 32) end},
}

describe('a frozen model', function()
  local threads
  setup(function()
    threads = torch.getnumthreads()
    torch.setnumthreads(1)
  end)
  teardown(function() torch.setnumthreads(threads) end)
  before_each(function() torch.manualSeed(3) end)

  local names = {}
  for name in pairs(MODELS) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    it('gives what ' .. name .. ' gives, on any input', function()
      local model, input = MODELS[name][1](), MODELS[name][2]
      local frozen = model:freeze(input())
      assert.is_nil(rawget(model, 'train')) -- as it was
      model:evaluate()
      for _ = 1, 3 do
        local x = input()
        near(plain(model, x), frozen(x))
      end
    end)
  end

  it('has a model for each file of nn/models that is one', function()
    local packages = require 'moonlet.packages'
    for _, file in ipairs(packages.list('nn.models.')) do
      local name = file:match('%.(%u[%w_]*)$')
      if name then assert.is_table(MODELS[name], name) end
    end
  end)

  it('leaves no garbage and takes no memory', function()
    for name, calls in pairs {MLP = 1000, LeNet = 200, GPT = 500, CharLSTM = 500, ResNet = 30} do
      local x = MODELS[name][2]()
      assert.equal(0, garbage(MODELS[name][1]():freeze(x), x, calls), name)
    end
  end)

  it('gives always the same tensor', function()
    local frozen = nn.Linear(3, 2):freeze(torch.ones(1, 3))
    local first = frozen(torch.ones(1, 3))
    local kept = first:clone()
    assert.is_true(rawequal(first, frozen(torch.zeros(1, 3))))
    assert.is_true(rawequal(first, frozen:forward(torch.zeros(1, 3))))
    assert.is_false(first:equal(kept))
  end)

  it('sees what parameters become', function()
    local model, x = nn.MLP{4, 5, 2}, torch.randn(2, 4)
    local frozen = model:freeze(x)
    local before = frozen(x):clone()
    for _, parameter in ipairs((model:parameters())) do
      torch.no_grad(function() parameter:mul(0.5) end)
    end
    assert.is_false(before:equal(frozen(x)))
    near(plain(model, x), frozen(x))
  end)

  it('sees kernels of convolutions that a library keeps in its own order', function()
    local model, x = nn.Conv2d(16, 32, 3, 1, 1), torch.randn(1, 16, 20, 20)
    local frozen = model:freeze(x)
    near(plain(model, x), frozen(x))
    torch.no_grad(function() model.weight:mul(-2) end)
    near(plain(model, x), frozen(x))
  end)

  it('plans each size by itself where no example was given', function()
    local model = nn.MLP{6, 7, 2}
    local frozen = model:freeze()
    assert.matches('not planned yet', tostring(frozen))
    for _ = 1, 2 do
      for size = 1, 5 do
        local x = torch.randn(size, 6)
        near(plain(model, x), frozen(x))
      end
    end
    assert.equal(5, frozen:stats().plans)
    for size = 6, 20 do frozen(torch.randn(size, 6)) end
    assert.is_true(frozen:stats().plans <= 8) -- those used last
  end)

  it('refuses another size than that of the example, and tells both', function()
    local frozen = nn.MLP{6, 7, 2}:freeze(torch.zeros(2, 6))
    assert.has_error(function() frozen(torch.zeros(3, 6)) end, 'nn.MLP: frozen for an input of '
      .. '2x6 float32, got 3x6 float32: freeze() without an example plans anew for each size')
    assert.has_error(function() frozen(torch.zeros(2, 6):double()) end)
    assert.has_error(function() frozen('2x6') end)
    assert.has_error(function() frozen() end)
    assert.has_error(function() frozen({torch.zeros(2, 6)}) end)
    near(plain(frozen.model, torch.ones(2, 6)), frozen(torch.ones(2, 6)))
  end)

  it('takes views, and inputs of any strides', function()
    local model = nn.MLP{6, 7, 2}
    local frozen = model:freeze(torch.zeros(2, 6))
    local x = torch.randn(6, 2):t()
    near(plain(model, x:contiguous()), frozen(x))
    local wide = torch.randn(2, 12)
    near(plain(model, wide:narrow(2, 4, 6):contiguous()), frozen(wide:narrow(2, 4, 6)))
  end)

  it('takes and gives tables', function()
    local model = nn.Sequential():add(nn.ParallelTable():add(nn.Linear(3, 4)):add(nn.Tanh()))
      :add(nn.ConcatTable():add(nn.CAddTable()):add(nn.Identity()))
    local function input() return {torch.randn(2, 3), torch.randn(2, 4)} end
    local frozen = model:freeze(input())
    for _ = 1, 3 do
      local x = input()
      near(plain(model, x), frozen(x))
    end
    assert.equal(0, garbage(frozen, input()))
    assert.has_error(function() frozen({torch.randn(2, 3)}) end)
  end)

  it('is in use whatever the model is, and leaves it as it was', function()
    local model = nn.Sequential():add(nn.Dropout(0.5)):add(nn.BatchNormalization(4))
    model:training()
    model:get(1):evaluate()
    local frozen = model:freeze(torch.randn(3, 4))
    assert.is_false(model:get(1).train)
    assert.is_true(model:get(2).train)
    local means = model:get(2).running_mean:clone()
    frozen(torch.randn(3, 4))
    assert.is_true(means:equal(model:get(2).running_mean))
  end)

  it('draws anew at each call', function()
    local noise = module(function(x) return x + torch.randn(2, 3) end)
    local frozen = noise:freeze(torch.zeros(2, 3))
    local first = frozen(torch.zeros(2, 3)):clone()
    assert.is_false(first:equal(frozen(torch.zeros(2, 3))))
    torch.manualSeed(5)
    local drawn = frozen(torch.zeros(2, 3)):clone()
    torch.manualSeed(5)
    assert.is_true(drawn:equal(torch.randn(2, 3)))
  end)

  it('begins anew with buffers that the model makes and changes', function()
    local model = module(function(x)
      local sum, list = torch.zeros(2, 3), torch.tensor {{1, 2, 3}, {4, 5, 6}}
      for i = 1, 3 do sum:add(x * i) end
      list[{1}]:add(x[1])
      return sum + list
    end)
    local frozen = model:freeze(torch.zeros(2, 3))
    for _ = 1, 3 do
      local x = torch.randn(2, 3)
      near(model(x), frozen(x))
    end
  end)

  it('runs modules that bring their own gradient', function()
    local model = nn.Sequential():add(nn.Linear(4, 4)):add(Old.new()):add(nn.Tanh())
    local frozen = model:freeze(torch.randn(2, 4))
    for _ = 1, 3 do
      local x = torch.randn(2, 4)
      near(plain(model, x), frozen(x))
    end
  end)

  it('may be a part of a model that is frozen itself', function()
    local inner = nn.Linear(4, 4)
    local frozen = inner:freeze(torch.zeros(1, 4))
    local both = module(function(x) return frozen(x) * 2 end):freeze(torch.zeros(1, 4))
    local x = torch.randn(1, 4)
    near(plain(inner, x) * 2, both(x))
  end)

  -- What calculates with values in Lua would always calculate with the example's.
  local READERS = {
    item = function(x) return x * x:sum(1):sum(2):item() end,
    number = function(x) return x * x:sum() end,
    element = function(x) return x * x[1][1] end,
    table = function(x) return x * x:totable()[1][1] end,
    apply = function(x) return x:clone():apply(function(v) return v + 1 end) end,
    equal = function(x) return x:equal(x + 1) and x or x * 2 end,
    nonzero = function(x) return x:gt(0):nonzero() end,
    mask = function(x) return x[x:gt(0)] end,
    ['index tensor'] = function(x) return x[{(x[1]:abs():gt(0.5):long() + 1)}] end,
    unique = function(x) return (torch.unique(x)) end,
    storage = function(x) return x * x:storage()[1] end,
    assignment = function(x)
      local y = x * 2
      y[1][1] = 0.5
      return y
    end,
  }
  for what, reader in pairs(READERS) do
    it('refuses a model that looks at values: ' .. what, function()
      local ok, message = pcall(function()
        return module(reader):freeze(torch.randn(2, 3):add(3))
      end)
      assert.is_false(ok)
      assert.matches('freeze: .*looked at values', message)
      assert.is_false(torch.plan.active())
    end)
  end

  it('refuses a model that keeps something between calls', function()
    local function counter()
      local calls = 0
      return module(function(x)
        calls = calls + 1
        return x * calls
      end)
    end
    local ok, message = pcall(function() return counter():freeze(torch.ones(2, 3)) end)
    assert.is_false(ok)
    assert.matches('keeps something from one call to the next', message)
    assert.equal(1, counter():freeze(torch.ones(1), {check = false})(torch.ones(1))[1])
  end)

  it('tells what is wrong', function()
    local model = nn.MLP{6, 7, 2}
    local number = module(function() return 1 end)
    for text, call in pairs {
      ['freeze: a tensor, or a table of tensors, expected as example, got string'] =
        function() model:freeze('x') end,
      ['freeze: the model gives a number among its results: only tensors, and tables of them, '
        .. 'can be planned'] = function() number:freeze(torch.ones(1)) end,
      ['freeze: no option "chek": there is check'] =
        function() model:freeze(torch.ones(1, 6), {chek = true}) end,
      ['nn.Frozen: a frozen model cannot be trained; the model that it was made of can'] =
        function() model:freeze():training() end,
    } do
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    local ok, message = pcall(model.freeze, model, torch.ones(1, 5))
    assert.is_false(ok)
    assert.matches('^freeze: nn.MLP {1} nn.Linear: .*5', message)
    assert.is_false(torch.plan.active())
    assert.is_true(torch.is_grad_enabled())
  end)

  it('prints itself, and counts', function()
    local frozen = nn.MLP{8, 8, 2}:freeze(torch.zeros(1, 8))
    assert.matches('^nn.Frozen%(nn.MLP, 1x8 float32: 3 operations, arena %d+ B, workspace %d+ B, '
      .. 'parameters 360 B%)$', tostring(frozen))
    assert.equal(360, frozen:stats().parameters)
    assert.equal(1, frozen:stats().plans)
  end)

  it('is saved as its model, and planned anew', function()
    local path = os.tmpname()
    local frozen = nn.MLP{6, 7, 2}:freeze(torch.zeros(2, 6))
    local x = torch.randn(2, 6)
    torch.save(path, frozen)
    local back = torch.load(path)
    os.remove(path)
    assert.equal('nn.Frozen', torch.type(back))
    assert.has_error(function() back(torch.randn(1, 6)) end)
    near(frozen(x), back(x))
    near(frozen(x), frozen:clone()(x))
  end)

  it('lets outputs live on', function()
    local y = nn.Linear(3, 2):freeze(torch.zeros(1, 3))(torch.ones(1, 3))
    local copy = y:clone()
    collectgarbage()
    collectgarbage()
    assert.is_true(copy:equal(y))
  end)

  it('keeps what comes in safe from what the plan does', function()
    local model = nn.Sequential():add(nn.ReLU(true)):add(nn.MulConstant(2, true))
    local x = torch.randn(2, 3)
    local frozen, kept = model:freeze(x), x:clone()
    frozen(x)
    assert.is_true(kept:equal(x))
    near(plain(model, x:clone()), frozen(x))
  end)

  it('survives what programs do to its tensors', function()
    local frozen = nn.Linear(3, 2):freeze(torch.zeros(1, 3))
    local y = frozen(torch.ones(1, 3))
    assert.has_error(function() y:resize(1000, 1000) end)
    y:set(torch.zeros(1, 1):expand(500, 500))
    frozen(torch.ones(1, 3))
    local plan = torch.plan.begin {torch.zeros(2, 2)}
    local x = torch.plan.input(plan, 1)
    assert.has_error(function() torch.plan.begin {torch.zeros(1)} end)
    assert.has_error(function() torch.plan.output(plan, 1) end)
    torch.plan.finish(plan, {x + 1})
    assert.has_error(function() torch.plan.finish(plan, {x}) end)
    assert.has_error(function() torch.plan.output(plan, 2) end)
    assert.has_error(function() torch.plan.run(1, x) end)
    assert.is_false(torch.plan.run(plan, torch.zeros(3)))
    assert.is_false(torch.plan.run(plan, 'x'))
    torch.plan.input(plan, 1):set(torch.zeros(1):expand(2, 2))
    torch.plan.run(plan, torch.ones(2, 2))
    torch.plan.release(plan)
    assert.has_error(function() torch.plan.run(plan, torch.ones(2, 2)) end)
  end)
end)
