-- Modules written for Torch7, which bring their own gradient, in both protocols.
local torch, nn = require 'torch', require 'nn'

local package = {}

-- y = w x, with buffers that are used again, as Torch7's modules have them.
local Scale, Module = torch.class('spec.Scale', 'nn.Module', package)

function Scale:__init(factor)
  Module.__init(self)
  self.weight = torch.Tensor{factor}
  self.gradWeight = torch.zeros(1)
  self.runs = 0
end

function Scale:updateOutput(input)
  self.runs = self.runs + 1
  self.output:resizeAs(input):copy(input):mul(self.weight[1])
  return self.output
end

function Scale:updateGradInput(_, dy)
  self.gradInput:resizeAs(dy):copy(dy):mul(self.weight[1])
  return self.gradInput
end

function Scale:accGradParameters(input, dy, scale)
  self.gradWeight[1] = self.gradWeight[1] + (scale or 1) * torch.cmul(input, dy):sum()
end

-- A container in the old manner.
local Chain, Container = torch.class('spec.Chain', 'nn.Container', package)

function Chain:__init() Container.__init(self) end

function Chain:updateOutput(input)
  self.inputs = {input}
  for i, module in ipairs(self.modules) do
    self.inputs[i + 1] = self:rethrowErrors(module, i, 'updateOutput', self.inputs[i])
  end
  self.output = self.inputs[#self.inputs]
  return self.output
end

function Chain:updateGradInput(_, dy)
  for i = #self.modules, 1, -1 do dy = self.modules[i]:updateGradInput(self.inputs[i], dy) end
  self.gradInput = dy
  return dy
end

function Chain:accGradParameters(_, dy, scale)
  for i = #self.modules, 1, -1 do
    local module = self.modules[i]
    module:accGradParameters(self.inputs[i], dy, scale)
    dy = module.gradInput
  end
end

-- 3 x through a module of today, and through one of the past: the same everywhere.
local Pure = torch.class('spec.Pure', 'nn.Module', package)
function Pure:__init(factor)
  self:parameter('weight', 1)
  self.weight:fill(factor)
end
function Pure:updateOutput(input) return torch.cmul(input, self.weight) end

local function close(a, b) return (a - b):abs():max() < 1e-5 end

-- gradient of the input, and of the first and third weight
local function classic(model, x, dy)
  model:zeroGradParameters()
  model:forward(x)
  return model:backward(x, dy)
end

local function today(model, x, dy)
  model:zeroGradParameters()
  local leaf = x:clone():requiresGrad(true)
  model(leaf):backward(dy)
  return leaf.grad
end

describe('a module with its own gradient', function()
  local x, dy = torch.randn(4), torch.randn(4)

  it('works alone', function()
    for _, run in ipairs {classic, today} do
      local module = package.Scale(3)
      assert.is_true(close(run(module, x, dy), dy * 3))
      assert.is_true(math.abs(module.gradWeight[1] - x:dot(dy)) < 1e-5)
    end
    local module = package.Scale(3)
    module:forward(x)
    module:backward(x, dy, 0.5)
    assert.is_true(math.abs(module.gradWeight[1] - 0.5 * x:dot(dy)) < 1e-5)
  end)

  it('works among others, in any order', function()
    for _, kinds in ipairs {{'Scale', 'Pure'}, {'Pure', 'Scale'}, {'Scale', 'Scale'}} do
      for _, container in ipairs {nn.Sequential, package.Chain} do
        for _, run in ipairs {classic, today} do
          local model = container()
          model:add(package[kinds[1]](2)):add(nn.Tanh()):add(package[kinds[2]](5))
          local wanted = nn.Sequential(package.Pure(2), nn.Tanh(), package.Pure(5))
          assert.is_true(close(classic(wanted, x, dy), run(model, x, dy)))
          for _, i in ipairs {1, 3} do
            assert.is_true(close(wanted:get(i).gradWeight, model:get(i).gradWeight))
          end
          assert.is_true(close(wanted.output, model:forward(x)))
          assert.is_true(close(wanted:get(1).output, model:get(1).output))
        end
      end
    end
  end)

  it('runs inside of containers as often as Torch7 runs it', function()
    local model = nn.Sequential(nn.Tanh(), package.Scale(2))
    model:forward(x)
    model:backward(x, dy)
    assert.equal(1, model:get(2).runs)
  end)

  it('may be called twice before backward', function()
    local module = package.Scale(3)
    local a, b = torch.ones(2):requiresGrad(true), torch.ones(2):mul(2):requiresGrad(true)
    local y = module(module(a)) + module(b)
    assert.are.same({15, 15}, y:detach():totable())
    y:sum():backward()
    assert.are.same({9, 9}, a.grad:totable())
    assert.are.same({3, 3}, b.grad:totable())
    assert.equal(2 * 3 + 2 * 3 + 2 * 2, module.gradWeight[1])
  end)

  it('may take and give tables', function()
    local Swap = torch.class('spec.Swap', 'nn.Module', {})
    function Swap:updateOutput(input) return {input[2], input[1] * 2} end
    function Swap:updateGradInput(_, d) return {d[2] * 2, d[1]} end
    local swap = Swap.new()
    local a, b = torch.ones(2):requiresGrad(true), torch.ones(2):requiresGrad(true)
    local y = swap({a, b});
    (y[1] * 5 + y[2] * 7):sum():backward()
    assert.are.same({14, 14}, a.grad:totable())
    assert.are.same({5, 5}, b.grad:totable())
  end)

  it('freezes a layer whose methods are replaced', function()
    local model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    model:get(1).accGradParameters = function() end
    for _, run in ipairs {classic, today} do
      run(model, torch.randn(5, 4), torch.randn(5, 2))
      assert.equal(0, model:get(1).gradWeight:norm())
      assert.is_true(model:get(2).gradWeight:norm() > 0)
    end
  end)

  it('names the way in errors', function()
    local model = package.Chain():add(nn.Sequential(nn.Linear(3, 2)))
    local ok, message = pcall(model.forward, model, torch.randn(7))
    assert.is_false(ok)
    assert.is_truthy(message:find('spec.Chain: .*nn.Sequential {1} nn.Linear: '))
  end)
end)

describe('a criterion with its own gradient', function()
  it('works in both protocols', function()
    local Half = torch.class('spec.Half', 'nn.Criterion', {})
    function Half:updateOutput(input, target)
      self.output = 0.5 * (input - target):pow(2):sum()
      return self.output
    end
    function Half:updateGradInput(input, target)
      self.gradInput = input - target
      return self.gradInput
    end
    local half, x, t = Half.new(), torch.Tensor{1, 2}, torch.Tensor{0, 4}
    assert.equal(2.5, half:forward(x, t))
    assert.are.same({1, -2}, half:backward(x, t):totable())
    local leaf = x:clone():requiresGrad(true);
    (half(leaf, t) * 2):backward()
    assert.are.same({2, -4}, leaf.grad:totable())
  end)
end)

describe('A class of old that derives from one of today', function()
  local Doubled, Linear = torch.class('nn.SpecDoubled', 'nn.Linear')
  function Doubled:updateOutput(input)
    Linear.updateOutput(self, input)
    self.output:mul(2)
    return self.output
  end
  function Doubled:updateGradInput(input, dy)
    Linear.updateGradInput(self, input, dy)
    self.gradInput:mul(2)
    return self.gradInput
  end
  function Doubled:accGradParameters(input, dy, scale)
    Linear.accGradParameters(self, input, dy * 2, scale)
  end

  local Shifted = torch.class('nn.SpecShifted', 'nn.Linear')
  function Shifted:updateOutput(input)
    Linear.updateOutput(self, input * 1)
    return self.output + 1
  end

  local function randn(...) return torch.randn(...):double() end

  it('calls its parent, and finds output and gradInput', function()
    for _, name in ipairs {'SpecDoubled', 'SpecShifted'} do
      local module = nn[name](3, 2):double()
      local model, x = nn.Sequential(nn.Tanh(), module, nn.Tanh()):double(), randn(4, 3)
      assert.is_true(nn.Jacobian.testJacobian(module, x) < 1e-6)
      assert.is_true(nn.Jacobian.testJacobian(model, x) < 1e-6)
      for _, outer in ipairs {module, model} do
        assert.is_true(nn.Jacobian.testJacobianParameters(outer, x, module.weight,
          module.gradWeight) < 1e-6)
        assert.is_true(nn.Jacobian.testJacobianParameters(outer, x, module.bias,
          module.gradBias) < 1e-6)
      end
      local y, leaf = model:forward(x):clone(), x:clone():requiresGrad()
      local dx = model:backward(x, torch.ones(4, 2):double()):clone()
      local called = model(leaf)
      assert.is_true((called:detach() - y):abs():max() < 1e-12)
      called:sum():backward()
      assert.is_true((leaf.grad - dx):abs():max() < 1e-12)
    end
  end)

  it('may be a container, with all of its methods anew', function()
    local Twice, Sequential = torch.class('nn.SpecTwice', 'nn.Sequential')
    function Twice:updateOutput(input)
      Sequential.updateOutput(self, input)
      self.output = self.output * 2
      return self.output
    end
    function Twice:updateGradInput(input, dy)
      return Sequential.updateGradInput(self, input, dy * 2)
    end
    function Twice:accGradParameters(input, dy, scale)
      Sequential.accGradParameters(self, input, dy * 2, scale)
    end
    function Twice:backward(input, dy, scale)
      return Sequential.backward(self, input, dy * 2, scale)
    end
    local model, x, dy = nn.SpecTwice():add(nn.Linear(3, 2)):double(), randn(4, 3), randn(4, 2)
    local linear = model:get(1)
    assert.is_true(nn.Jacobian.testJacobian(model, x) < 1e-6)
    model:zeroGradParameters()
    model:forward(x)
    local d, dw = model:backward(x, dy):clone(), linear.gradWeight:clone()
    model:zeroGradParameters()
    assert.is_true((model:updateGradInput(x, dy) - d):abs():max() < 1e-12)
    model:accGradParameters(x, dy)
    assert.is_true((linear.gradWeight - dw):abs():max() < 1e-12)
    assert.is_true((torch.mm(dy:t(), x) * 2 - dw):abs():max() < 1e-12)
  end)

  it('leaves no recorded output behind a call', function()
    local module = nn.SpecShifted(3, 2)
    module(torch.randn(4, 3))
    assert.equal(0, module.output:nElement())
    module:forward(torch.randn(4, 3))
    assert.is_false(module.output.requires_grad)
  end)

  it('may call updateOutput of what it holds', function()
    local Holder, Base = torch.class('nn.SpecHolder', 'nn.Module')
    function Holder:__init()
      Base.__init(self)
      self.inner = nn.Linear(3, 3)
    end
    function Holder:updateOutput(input)
      self.inner:updateOutput(input)
      self.output:resizeAs(input):copy(self.inner.output):add(input)
      return self.output
    end
    function Holder:updateGradInput(input, dy)
      self.inner:updateGradInput(input, dy)
      self.gradInput:resizeAs(input):copy(self.inner.gradInput):add(dy)
      return self.gradInput
    end
    function Holder:accGradParameters(input, dy, scale)
      self.inner:accGradParameters(input, dy, scale)
    end
    local model, x = nn.Sequential(nn.SpecHolder(), nn.Tanh()):double(), randn(4, 3)
    local linear = model:get(1).inner
    assert.is_true(nn.Jacobian.testJacobian(model, x) < 1e-6)
    assert.is_true(nn.Jacobian.testJacobianParameters(model, x, linear.weight,
      linear.gradWeight) < 1e-6)
  end)
end)
