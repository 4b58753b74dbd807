-- nn.Jacobian, nn.SparseJacobian, nn.hessian: they pass what is right and find what is wrong.
local torch, nn = require 'torch', require 'nn'

local Jacobian = nn.Jacobian

local function double(...) return torch.DoubleTensor(...) end

-- y = w x, whose gradients are off by a factor.
local Wrong = torch.class('spec.Wrong', 'nn.Module', {})
function Wrong:__init()
  self.weight, self.gradWeight = double(1):fill(3), double(1):zero()
end
function Wrong:updateOutput(x)
  self.output = x * self.weight[1]
  return self.output
end
function Wrong:updateGradInput(_, dy)
  self.gradInput = dy * 4
  return self.gradInput
end
function Wrong:accGradParameters(x, dy, scale)
  self.gradWeight:add((scale or 1) * 2 * torch.cmul(x, dy):sum())
end

describe('nn.Jacobian', function()
  it('passes what is right', function()
    local model = nn.Sequential(nn.Linear(4, 3), nn.Tanh()):double()
    local layer, x = model:get(1), double(2, 4)
    assert.is_true(Jacobian.testJacobian(model, x) < 1e-6)
    assert.is_true(x:min() >= -2 and x:max() <= 2)
    assert.is_true(Jacobian.testJacobian(model, x, 0.1, 0.2) < 1e-6)
    assert.is_true(x:min() >= 0.1 and x:max() <= 0.2)
    for _, name in ipairs {'Weight', 'Bias'} do
      local tensor, gradient = layer[name:lower()], layer['grad' .. name]
      assert.is_true(Jacobian.testJacobianParameters(model, x, tensor, gradient) < 1e-6)
      assert.is_true(Jacobian.testJacobianUpdateParameters(model, x, tensor) < 1e-6)
      local errors = Jacobian.testAllUpdate(layer, x, name:lower(), 'grad' .. name)
      local count = 0
      for _, distance in pairs(errors) do
        assert.is_true(distance < 1e-12)
        count = count + 1
      end
      assert.equal(4, count)
    end
    local forward, backward = Jacobian.testIO(model, x)
    assert.is_true(forward == 0 and backward == 0)
  end)

  it('finds what is wrong', function()
    local module, x = Wrong.new(), double(2, 2)
    assert.is_true(math.abs(Jacobian.testJacobian(module, x) - 1) < 1e-6)
    assert.is_true(Jacobian.testJacobianParameters(module, x, module.weight,
      module.gradWeight, 1, 2) > 0.9)
    assert.is_true(Jacobian.testJacobianUpdateParameters(module, x, module.weight, 1, 2) > 0.9)
  end)

  it('gives Jacobians with a row for each element of the input', function()
    local module = nn.Linear(2, 1, false):double()
    module.weight:copy(double{{3, 5}})
    local x = double{1, 2}
    assert.are.same({{3}, {5}}, Jacobian.backward(module, x):totable())
    assert.is_true((Jacobian.forward(module, x) - double{{3}, {5}}):abs():max() < 1e-6)
    assert.are.same({{1}, {2}},
      Jacobian.backward(module, x, module.weight, module.gradWeight):totable())
    assert.are.same({{2}, {3}}, Jacobian.backwardUpdate(module, x, module.weight):totable())
    assert.are.same({3, 5}, module.weight:detach():view(2):totable())
  end)

  it('takes tables', function()
    local Sum = torch.class('spec.JacobianSum', 'nn.Module', {})
    function Sum:updateOutput(x) return {x[1] + x[2], torch.cmul(x[1], x[2])} end
    assert.is_true(Jacobian.testJacobian(Sum.new(), {double(2, 3), double(2, 3)}) < 1e-6)
  end)
end)

describe('nn.SparseJacobian', function()
  it('leaves the indices alone', function()
    -- The sum of values times the weights at their indices.
    local Pick = torch.class('spec.Pick', 'nn.Module', {})
    function Pick:__init() self:parameter('weight', 5):uniform() end
    function Pick:updateOutput(x)
      local index = x:select(2, 1):detach():long()
      return torch.cmul(torch.index(self.weight, 1, index), x:select(2, 2)):sum():view(1)
    end
    local module, x = Pick.new():double(), double{{2, 1}, {5, 1}, {1, 1}}
    local Sparse = nn.SparseJacobian
    assert.is_true(Sparse.testJacobian(module, x) < 1e-6)
    assert.is_true(Sparse.testJacobianParameters(module, x, module.weight,
      module.gradWeight) < 1e-6)
    assert.is_true(Sparse.testJacobianUpdateParameters(module, x, module.weight) < 1e-6)
    local forward, backward = Sparse.testIO(module, x)
    assert.is_true(forward == 0 and backward == 0)
    assert.are.same({2, 5, 1}, x:select(2, 1):totable())
    assert.is_true(Sparse.testAllUpdate(module, x, 'weight', 'gradWeight')
      .accGradParameters < 1e-12)
  end)
end)

describe('nn.hessian', function()
  it('propagates the diagonal of second derivatives', function()
    nn.hessian.enable()
    local layer, x = nn.Linear(4, 3):double(), double(2, 4):uniform()
    assert.is_true(Jacobian.testDiagHessianInput(layer, x) < 1e-12)
    assert.is_true(Jacobian.testDiagHessianWeight(layer, x) < 1e-12)
    assert.is_true(Jacobian.testDiagHessianBias(layer, x) < 1e-12)
    local weight = layer.weight:detach():clone()
    local model = nn.Sequential(layer, nn.Tanh(), nn.Linear(3, 2):double()):double()
    model:initDiagHessianParameters()
    model:forward(x)
    local h = model:updateDiagHessian(x, double(2, 2):fill(1))
    assert.are.same({2, 4}, h:size():totable())
    assert.is_true(h:min() > 0)
    assert.is_true(layer.weight:detach():equal(weight))
    local flat, gradient, diagonal = model:getParameters()
    assert.equal(flat:nElement(), diagonal:nElement())
    assert.equal(flat:nElement(), gradient:nElement())
    -- The second layer alone: its bias sees the ones of both examples.
    assert.are.same({2, 2}, model:get(3).diagHessianBias:totable())
  end)

  it('is as exact for a layer without a way of its own', function()
    nn.hessian.enable()
    local Twice = torch.class('spec.HessianTwice', 'nn.Module', {})
    function Twice:__init() self:parameter('weight', 3):fill(2) end
    function Twice:updateOutput(x) return torch.cmul(x, self.weight:view(1, 3):expandAs(x)) end
    local module, x = Twice.new():double(), double(2, 3):uniform()
    assert.is_true(Jacobian.testDiagHessianInput(module, x) < 1e-12)
    assert.is_true(Jacobian.testDiagHessianWeight(module, x) < 1e-12)
    local loss = nn.MSECriterion()
    assert.is_true((loss:updateDiagHessianInput(x, double(2, 3):zero()) - 1 / 3):abs():max() < 1e-6)
  end)
end)

-- What users may run to see whether all is well.
local function passes_quietly(test, ...)
  local print_it, io_write = print, io.write
  print, io.write = function() end, function() return io.stdout end -- luacheck: ignore
  local ok, message = pcall(test, ...)
  print, io.write = print_it, io_write -- luacheck: ignore
  assert.is_true(ok, message)
end

describe('nn.test and rnn.test', function()
  it('pass here', function()
    passes_quietly(nn.test, nil, 1)
    passes_quietly(nn.testTHNN)
    passes_quietly(require('rnn').test)
    passes_quietly(require('rnn').bigtest, 'SeqGRU')
  end)
end)
