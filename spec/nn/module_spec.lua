-- What all modules do: parameters, the two protocols, memory, errors. See modules_spec, too.
local torch, nn = require 'torch', require 'nn'

local function assert_close(expected, got, tolerance)
  assert.are.same(expected:size():totable(), got:size():totable())
  assert.is_true((expected - got):abs():max() < (tolerance or 1e-6))
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

  it('may give a parameter of its parent another size', function()
    local Wide = torch.class('spec.Wide', 'nn.Linear', {})
    function Wide:__init()
      nn.Linear.__init(self, 2, 2)
      self:parameter('weight', 2, 5)
    end
    local module = Wide.new()
    assert.equal(2, #module:parameters())
    assert.equal(12, (module:getParameters()):nElement())
  end)

  it('keeps what children have done in forward and backward, and not in a call', function()
    local model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    local x = torch.randn(4, 3)
    model(x)
    assert.equal(0, model:get(1).output:nElement())
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
      .. 'input of size [32x20] has 20 features, expected 10'
    for _, fn in ipairs {
      function() local y = model(torch.randn(32, 20)) return y end,
      function() local y = model:forward(torch.randn(32, 20)) return y end,
    } do
      local message = message_of(fn)
      assert.is_truthy(message:find(wanted, 1, true))
      assert.is_truthy(message:find('^[^:]*module_spec.lua:%d+: nn'))
    end
  end)

  it('tell what is no tensor', function()
    local cases = {{nn.View(2), 'number', 3}, {nn.Linear(2, 2), 'nil'}, {nn.View(2), 'table', {}}}
    for _, case in ipairs(cases) do
      local message = message_of(function()
        local y = nn.Sequential(nn.Identity(), case[1]):forward(case[3])
        return y
      end)
      assert.is_truthy(message:find('{2} nn%.%a+: a tensor expected, got ' .. case[2]))
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

describe('a file whose module names no parameters, but something else', function()
  it('is read, and the module has what it has', function()
    local unfinished = nn.Sequential()
    rawset(unfinished, 'modules', nil)
    for _, names in ipairs { unfinished, 3, 'x', { 1 }, { {} }, { nn.Linear(1, 1) } } do
      local layer = nn.Linear(2, 2)
      rawset(layer, 'parameterNames', names)
      rawset(layer, 1, torch.ones(2))
      for _, mode in ipairs { 'ascii', 'binary' } do
        local back = torch.deserialize(torch.serialize(layer, mode), mode)
        assert.equal('nn.Linear', torch.type(back))
        assert.is_true(#(back:parameters() or {}) <= 2)
      end
    end
  end)
end)
