-- Trees of modules: building, listing, printing, converting, sharing.
local torch, nn = require 'torch', require 'nn'

local function model_of_three()
  return nn.Sequential():add(nn.Linear(784, 128)):add(nn.ReLU()):add(nn.Linear(128, 10))
end

describe('nn.Sequential', function()
  it('is built in both ways, and changed', function()
    local model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    assert.equal(2, model:size())
    model:insert(nn.ReLU(), 2)
    assert.equal('nn.ReLU', torch.type(model:get(2)))
    assert.equal('nn.Tanh', torch.type(model:get(-1)))
    assert.equal('nn.ReLU', torch.type(model:remove(2)))
    assert.equal('nn.Tanh', torch.type(model:remove()))
    assert.equal(1, model:size())
    assert.has_error(function() model:add(3) end)
    assert.has_error(function() model:insert(nn.ReLU(), 5) end)
    assert.has_error(function() model:remove(7) end)
  end)

  it('prints as Torch7 does', function()
    assert.equal([[
nn.Sequential {
  [input -> (1) -> (2) -> (3) -> output]
  (1): nn.Linear(784 -> 128)
  (2): nn.ReLU
  (3): nn.Linear(128 -> 10)
}]], tostring(model_of_three()))
    assert.equal([[
nn.Sequential {
  [input -> (1) -> output]
  (1): nn.Sequential {
    [input -> (1) -> output]
    (1): nn.Linear(2 -> 1) without bias
  }
}]], tostring(nn.Sequential(nn.Sequential(nn.Linear(2, 1, false)))))
    assert.equal('nn.Dropout(0.500000)', tostring(nn.Dropout()))
    assert.equal('nn.View(2, 3)', tostring(nn.View(2, 3)))
    assert.equal('nn.Reshape(2x3)', tostring(nn.Reshape(2, 3)))
  end)

  it('passes an input through when it is empty', function()
    assert.are.same({1, 2}, nn.Sequential():forward(torch.Tensor{1, 2}):totable())
  end)
end)

describe('trees of modules', function()
  it('are walked', function()
    local model = nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.Tanh(), nn.Linear(2, 2)))
    local seen = {}
    model:apply(function(module) seen[#seen + 1] = torch.type(module) end)
    assert.are.same({'nn.Sequential', 'nn.Linear', 'nn.Sequential', 'nn.Tanh', 'nn.Linear'}, seen)
    assert.equal(5, #model:listModules())
    local nodes, containers = model:findModules('nn.Linear')
    assert.equal(2, #nodes)
    assert.equal(model, containers[1])
    assert.equal(model:get(2), containers[2])
    model:evaluate()
    assert.is_false(model:get(2):get(1).train)
    model:training()
    assert.is_true(model:get(2):get(1).train)
    model:replace(function(module)
      return torch.type(module) == 'nn.Tanh' and nn.Sigmoid() or module
    end)
    assert.equal('nn.Sigmoid', torch.type(model:get(2):get(1)))
  end)

  it('gather parameters in one vector', function()
    local model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 4))
    local x = torch.randn(5, 3)
    local output = model:forward(x):clone()
    local weight = model:get(1).weight
    model:get(1).gradBias:fill(7)
    local flat, gradient = model:getParameters()
    assert.equal(3 * 2 + 2 + 2 * 4 + 4, flat:nElement())
    assert.equal(flat:nElement(), gradient:nElement())
    assert.equal(14, gradient:sum())
    assert.is_true(weight == model:get(1).weight)
    assert.is_true(weight:storage() == flat:storage())
    assert.is_true(weight.grad == model:get(1).gradWeight)
    assert.is_true(weight.grad:storage() == gradient:storage())
    assert.is_true(model:forward(x):equal(output))
    flat:zero()
    assert.equal(0, model:forward(x):norm())
    model(x):sum():backward()
    assert.is_true(gradient:norm() > 0)
    -- A second call hands out the same memory.
    local again, gradient_again = model:getParameters()
    assert.is_true(again:storage() == flat:storage())
    assert.is_true(gradient_again:storage() == gradient:storage())
  end)

  it('count shared parameters once', function()
    local first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second:share(first, 'weight', 'gradWeight')
    local model = nn.Sequential(first, second)
    local flat, gradient = model:getParameters()
    assert.equal(9 + 3 + 3, flat:nElement())
    assert.is_true(first.weight:isSetTo(second.weight))
    assert.is_true(first.gradWeight:isSetTo(second.gradWeight))
    model:zeroGradParameters()
    model(torch.randn(2, 3)):sum():backward()
    assert.is_true(first.gradWeight:norm() > 0)
    assert.is_true(first.gradWeight:equal(second.gradWeight))
    assert.equal(15, gradient:nElement())
    local twice = nn.Linear(3, 3)
    assert.equal(12, (nn.Sequential(twice, twice):getParameters()):nElement())
  end)

  it('are cloned: independent, or shared by name', function()
    local model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    model:getParameters()
    local x = torch.randn(4, 3)
    local copy = model:clone()
    assert.is_true(copy:forward(x):equal(model:forward(x)))
    assert.is_true(copy:get(1).weight.grad == copy:get(1).gradWeight)
    -- What lay in one vector still does.
    assert.is_true(copy:get(1).weight:storage() == copy:get(1).bias:storage())
    copy:get(1).weight:zero()
    assert.is_true(model:get(1).weight:norm():item() > 0)
    local tied = model:clone('weight', 'bias')
    tied:get(1).weight:fill(2)
    assert.equal(12, model:get(1).weight:sum():item())
    copy:add(nn.ReLU())
    assert.equal(2, model:size())
  end)

  it('change their type', function()
    local model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    local x = torch.randn(4, 3)
    local output = model:forward(x):clone()
    assert.equal(model, model:double())
    assert.equal('torch.DoubleTensor', model:type())
    assert.equal('torch.DoubleTensor', model:get(1).gradWeight:type())
    assert.is_true(model:get(1).weight.grad == model:get(1).gradWeight)
    assert.is_true((model:forward(x:double()):float() - output):abs():max() < 1e-6)
    model:backward(x:double(), torch.randn(4, 2):double())
    assert.equal('torch.FloatTensor', model:float():get(1).bias:type())
    assert.has_error(function() model:type('torch.LongTensor') end)
    assert.has_error(function() model:forward(x:double()) end)
  end)

  it('step and forget', function()
    local model = nn.Linear(2, 1)
    model:zeroGradParameters()
    model:forward(torch.ones(2))
    model:backward(torch.ones(2), torch.ones(1))
    local before = model.weight:detach():clone()
    model:updateParameters(0.5)
    assert.is_true(((before - 0.5) - model.weight:detach()):abs():max() < 1e-6)
    model:clearState()
    assert.equal(0, model.output:nElement())
    torch.manualSeed(5)
    model:reset()
    local drawn = model.weight:detach():clone()
    torch.manualSeed(5)
    model:reset()
    assert.is_true(drawn:equal(model.weight:detach()))
    assert.is_true(drawn:abs():max() <= 1 / math.sqrt(2))
  end)
end)

describe('package nn', function()
  it('loads classes by name, tells them, and has nothing else', function()
    local names = {}
    for _, name in ipairs(getmetatable(nn).__names(nn)) do names[name] = true end
    for _, name in ipairs {'Linear', 'Sequential', 'Module', 'MSECriterion'} do
      assert.is_true(names[name])
    end
    assert.is_nil(names.run)
    assert.is_nil(nn.NoSuchLayer)
    assert.is_nil(nn.run)
    for name in pairs(names) do
      assert.is_true(nn[name] ~= nil, name)
      local is_class = torch.getmetatable('nn.' .. name) ~= nil
      if is_class then assert.equal('nn.' .. name, tostring(nn[name])) end
      assert.is_true(is_class or name:find('^%l') ~= nil or name:find('Jacobian') ~= nil
        or name == 'THNN', name)
    end
    for _, name in ipairs {'utils', 'init', 'hessian', 'Jacobian'} do
      assert.equal('table', type(nn[name]))
    end
  end)

  it('knows names of PyTorch that differ in capitals only', function()
    for alias, name in pairs {Softplus = 'SoftPlus', Hardtanh = 'HardTanh', Softsign = 'SoftSign',
        Hardshrink = 'HardShrink', Softshrink = 'SoftShrink', Tanhshrink = 'TanhShrink'} do
      assert.equal(nn[name], nn[alias])
      assert.equal('nn.' .. name, torch.type(nn[alias]()))
    end
  end)

  it('loads a class that another one derives from, or a file holds', function()
    local code = "torch.class('spec.My', 'nn.Sigmoid', {}); "
      .. "print(torch.isTypeOf(torch.factory('nn.ReLU')(), 'nn.Module'))"
    local program = require 'spec.vm.program'
    local output, status = program.run('-e ' .. program.quote('require "nn"; ' .. code))
    assert.equal('true\n', output)
    assert.equal(0, status)
  end)
end)
