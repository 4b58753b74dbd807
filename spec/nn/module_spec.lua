-- Both protocols of every module: results, gradients against finite differences, what stays behind.
local torch, nn = require 'torch', require 'nn'

local H = 1e-4

-- Each with an input in float64; away from kinks, so that differences are fair.
local cases = {
  Linear = {make = function() return nn.Linear(4, 3) end, input = {5, 4}},
  ['Linear, one example'] = {make = function() return nn.Linear(4, 3) end, input = {4}},
  ['Linear without bias'] = {make = function() return nn.Linear(4, 3, false) end, input = {5, 4}},
  ReLU = {make = function() return nn.ReLU() end, input = {5, 4}},
  Tanh = {make = function() return nn.Tanh() end, input = {5, 4}},
  Sigmoid = {make = function() return nn.Sigmoid() end, input = {2, 3, 4}},
  Identity = {make = function() return nn.Identity() end, input = {5, 4}},
  SoftMax = {make = function() return nn.SoftMax() end, input = {5, 4}},
  LogSoftMax = {make = function() return nn.LogSoftMax() end, input = {5, 4}},
  ['LogSoftMax, one example'] = {make = function() return nn.LogSoftMax() end, input = {4}},
  ['LogSoftMax of images'] = {make = function() return nn.LogSoftMax() end, input = {2, 3, 2, 2}},
  View = {make = function() return nn.View(2, 2) end, input = {5, 4}},
  Reshape = {make = function() return nn.Reshape(4) end, input = {3, 2, 2}},
  ['Dropout in use'] = {make = function()
    local module = nn.Dropout(0.5)
    module:evaluate()
    return module
  end, input = {5, 4}},
  Sequential = {make = function()
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Sequential(nn.Linear(6, 3), nn.Sigmoid()))
  end, input = {5, 4}},
}

local function random_input(sizes)
  return torch.randn(torch.LongStorage(sizes)):double()
end

-- d sum(f() * dy) / d tensor by central differences.
local function numeric(tensor, f, dy)
  local gradient = torch.zeros_like(tensor:detach())
  local values, slopes = tensor:detach():view(tensor:nElement()), gradient:view(tensor:nElement())
  for i = 1, values:nElement() do
    local old = values[i]
    values[i] = old + H
    local up = f():clone():cmul(dy):sum()
    values[i] = old - H
    slopes[i] = (up - f():clone():cmul(dy):sum()) / (2 * H)
    values[i] = old
  end
  return gradient
end

local function assert_close(expected, got, tolerance)
  assert.are.same(expected:size():totable(), got:size():totable())
  assert.is_true((expected - got):abs():max() < (tolerance or 1e-6))
end

for name, case in pairs(cases) do
  describe('nn: ' .. name, function()
    local module, input, dy
    before_each(function()
      torch.manualSeed(3)
      module = case.make():double()
      input = random_input(case.input)
      dy = torch.randn_like(module:forward(input))
    end)

    it('gives one result in both protocols', function()
      local output = module:forward(input)
      assert.is_false(output.requires_grad)
      assert.is_true(output == module.output)
      assert_close(output, module(input):detach(), 1e-12)
      assert.equal(input:type(), output:type())
    end)

    it('has right gradients in forward and backward', function()
      module:forward(input)
      module:zeroGradParameters()
      local gradient = module:backward(input, dy)
      assert.is_true(gradient == module.gradInput)
      assert_close(numeric(input, function() return module:forward(input) end, dy), gradient)
      local tensors, gradients = module:parameters()
      for i, tensor in ipairs(tensors) do
        local wanted = numeric(tensor, function() return module:forward(input) end, dy)
        assert_close(wanted, gradients[i])
      end
    end)

    it('has the same gradients when called', function()
      module:zeroGradParameters()
      local classic = module:backward(input, dy)
      local tensors, gradients = module:parameters()
      local kept = {}
      for i, gradient in ipairs(gradients) do kept[i] = gradient:clone() end
      module:zeroGradParameters()
      local leaf = input:clone():requiresGrad(true)
      module(leaf):backward(dy)
      assert_close(classic, leaf.grad, 1e-12)
      for i, tensor in ipairs(tensors) do assert_close(kept[i], tensor.grad, 1e-12) end
    end)

    it('runs backward in two halves, scaled', function()
      module:forward(input)
      module:zeroGradParameters()
      local whole = module:backward(input, dy, 0.5):clone()
      local _, gradients = module:parameters()
      local kept = {}
      for i, gradient in ipairs(gradients) do kept[i] = gradient:clone() end
      module:zeroGradParameters()
      assert_close(whole, module:updateGradInput(input, dy), 1e-12)
      for _, gradient in ipairs(gradients) do assert.equal(0, gradient:norm()) end
      module:accGradParameters(input, dy, 0.25)
      module:accGradParameters(input, dy, 0.25)
      for i, gradient in ipairs(gradients) do assert_close(kept[i], gradient, 1e-12) end
    end)

    it('works where nothing is recorded outside of modules', function()
      local wanted = module:backward(input, dy):clone()
      torch.no_grad(function()
        assert.is_false(module(input).requires_grad)
        module:forward(input)
        assert_close(wanted, module:backward(input, dy), 1e-12)
      end)
      assert.is_true(torch.is_grad_enabled())
    end)

    it('survives a file, and is cloned, without what it did last', function()
      module:forward(input)
      local copy = torch.deserialize(torch.serialize(module))
      assert.equal(tostring(module), tostring(copy))
      assert_close(module:forward(input), copy:forward(input), 0 + 1e-12)
      local _, gradients = copy:parameters()
      for i, tensor in ipairs((copy:parameters())) do
        assert.is_true(tensor.requires_grad)
        assert.is_true(tensor.grad == gradients[i])
      end
      assert_close(module:forward(input), module:clone():forward(input), 1e-12)
    end)
  end)
end

describe('nn.Module', function()
  it('creates parameters whose gradient is gradWeight', function()
    local layer = nn.Linear(3, 2)
    assert.is_true(layer.weight.requires_grad)
    assert.is_true(layer.weight.grad == layer.gradWeight)
    assert.is_true(layer.bias.grad == layer.gradBias)
    layer(torch.randn(4, 3)):sum():backward()
    assert.is_true(layer.weight.grad == layer.gradWeight)
    assert.is_true(layer.gradWeight:norm() > 0)
  end)

  it('keeps what children have done in forward and backward, and not in a call', function()
    local model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    local x = torch.randn(4, 3)
    model(x)
    assert.is_nil(model:get(1).output)
    model:forward(x)
    assert.is_true(model:get(2).output:equal(model.output))
    assert.is_false(model:get(1).output.requires_grad)
    model:backward(x, torch.ones(4, 2))
    assert.are.same({4, 2}, model:get(2).gradInput:size():totable())
    assert.is_true(model:get(1).gradInput:equal(model.gradInput))
  end)

  it('holds no memory over a loop of forwards', function()
    local model = nn.Sequential(nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 100))
    local x = torch.randn(50, 100)
    local function storages()
      for _ = 1, 5 do model:forward(x) end
      collectgarbage()
      collectgarbage()
      return torch.memory().storages
    end
    local first = storages()
    for _ = 1, 50 do model:forward(x) end
    assert.is_true(storages() <= first) -- fewer when other tests' leavings go meanwhile
    collectgarbage()
    collectgarbage()
    local bytes = torch.memory().live
    model:clearState()
    collectgarbage()
    collectgarbage()
    assert.is_true(torch.memory().live < bytes - 50 * 100 * 4)
  end)

  it('frees a model with its tape', function()
    collectgarbage()
    collectgarbage()
    local before = torch.memory().storages
    for _ = 1, 5 do
      local model = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
      model:backward(torch.randn(2, 4), torch.randn(2, 4))
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, torch.memory().storages)
  end)

  it('runs forward again for an input that it was not called with', function()
    local model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    local a, b, dy = torch.randn(4, 3), torch.randn(4, 3), torch.randn(4, 2)
    model:forward(a)
    local wanted = model:backward(a, dy):clone()
    model:forward(b)
    assert.is_true(model:backward(a, dy):equal(wanted))
    -- Another view of the same numbers is the same input.
    model:forward(a)
    local output = model.output
    model:backward(a:view(4, 3), dy)
    assert.is_true(model.output == output)
  end)

  it('takes integers, tables and results that are tables', function()
    local layer = nn.Linear(3, 2)
    local whole = torch.ByteTensor{{1, 2, 3}}
    assert.is_true(layer:forward(whole):equal(layer:forward(whole:float())))
    assert.are.same({1, 3}, layer:backward(whole, torch.ones(1, 2)):size():totable())

    local Sum = torch.class('spec.Sum', 'nn.Module', {})
    function Sum:updateOutput(input) return {input[1] + input[2], input[1] * 2} end
    local sum = Sum.new()
    local a, b = torch.randn(2), torch.randn(2)
    local output = sum:forward({a, b})
    assert.is_true(output[1]:equal(a + b))
    assert.is_false(output[1].requires_grad)
    local gradient = sum:backward({a, b}, {torch.Tensor{1, 2}, torch.Tensor{10, 20}})
    assert.are.same({21, 42}, gradient[1]:totable())
    assert.are.same({1, 2}, gradient[2]:totable())
  end)

  it('drops in training only', function()
    torch.manualSeed(1)
    local dropout = nn.Dropout(0.25)
    local x = torch.ones(10000)
    local y = dropout:forward(x)
    assert.is_true(math.abs(y:mean() - 1) < 0.05)
    assert.is_true(math.abs(y:eq(0):long():sum() / 10000 - 0.25) < 0.03)
    assert.is_true(dropout:backward(x, x):equal(y))
    dropout:evaluate()
    assert.is_true(dropout:forward(x):equal(x))
    assert.has_error(function() nn.Dropout(1) end)
  end)

  it('runs on what a class of its own does with other modules', function()
    local Residual = torch.class('spec.Residual', 'nn.Module', {})
    function Residual:__init(size) self.inner = nn.Linear(size, size) end
    function Residual:updateOutput(x) return x + self.inner:forward(x):tanh() end
    local model = nn.Sequential(Residual.new(3), nn.Linear(3, 1))
    assert.equal(4, #model:parameters())
    local x = torch.randn(2, 3)
    model:zeroGradParameters()
    model:forward(x)
    model:backward(x, torch.ones(2, 1))
    local kept = model:get(1).inner.gradWeight:clone()
    assert.is_true(kept:norm() > 0)
    assert.is_false(model:get(1).inner.output.requires_grad)
    model:zeroGradParameters()
    model(x):sum():backward()
    assert_close(kept, model:get(1).inner.gradWeight)
  end)
end)

describe('errors of modules', function()
  local model = nn.Sequential(nn.Linear(20, 20), nn.ReLU(), nn.Sequential(nn.Linear(10, 2)))

  local function message_of(fn)
    local ok, message = pcall(fn)
    assert.is_false(ok)
    return message
  end

  it('name the way to the module, and the line of the script', function()
    local wanted = 'nn.Sequential {3} nn.Sequential {1} nn.Linear: '
      .. 'input of size [32x20], but 10 features expected'
    for _, fn in ipairs {
      function() local y = model(torch.randn(32, 20)) return y end,
      function() local y = model:forward(torch.randn(32, 20)) return y end,
    } do
      local message = message_of(fn)
      assert.is_truthy(message:find(wanted, 1, true))
      assert.is_truthy(message:find('^[^:]*module_spec.lua:%d+: nn'))
    end
  end)

  it('leave everything in order', function()
    message_of(function() model:forward(torch.randn(32, 20)) end)
    assert.is_true(torch.is_grad_enabled())
    local layer = nn.Linear(2, 2)
    layer:forward(torch.randn(2))
    assert.is_nil(message_of(function() layer(torch.randn(3)) end):find('Sequential'))
    assert.is_truthy(message_of(function()
      layer:backward(torch.randn(2), nil)
    end):find('nn.Linear: backward: the gradient of the output'))
    assert.is_truthy(message_of(function()
      layer:backward(torch.randn(2), torch.randn(5))
    end):find('nn.Linear: .*size'))
  end)

  it('tell what a class of the user was doing', function()
    local Broken = torch.class('spec.Broken', 'nn.Module', {})
    function Broken:updateOutput() error('it broke') end
    local message = message_of(function() nn.Sequential(Broken.new()):forward(torch.ones(1)) end)
    assert.is_truthy(message:find('nn.Sequential {1} spec.Broken: .*module_spec.lua:%d+: it broke'))
  end)
end)
