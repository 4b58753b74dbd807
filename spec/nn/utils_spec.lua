-- nn.utils, and nn.StochasticGradient.
local torch, nn = require 'torch', require 'nn'

local utils = nn.utils

describe('nn.utils', function()
  it('converts values, tables, and modules in them', function()
    local shared = torch.ones(2)
    local value = {shared, {shared, torch.LongTensor{1}}, nn.Linear(2, 2), 'text'}
    assert.equal(value, utils.recursiveType(value, 'torch.DoubleTensor'))
    assert.equal('torch.DoubleTensor', value[1]:type())
    assert.is_true(value[1] == value[2][1])
    assert.equal('torch.DoubleTensor', value[2][2]:type())
    assert.equal('torch.DoubleTensor', value[3].weight:type())
    assert.equal('torch.ByteTensor', utils.recursiveType(torch.ones(2), 'torch.ByteTensor'):type())
    local cache = {}
    local a = utils.recursiveType(shared, 'torch.DoubleTensor', cache)
    assert.is_true(a == utils.recursiveType(shared, 'torch.DoubleTensor', cache))
  end)

  it('resizes, copies, fills and adds', function()
    local from = {torch.ones(2, 3), {torch.ones(4)}}
    local to, other = utils.recursiveResizeAs(torch.Tensor(1), from)
    assert.equal(from, other)
    assert.are.same({2, 3}, to[1]:size():totable())
    to.extra = torch.Tensor(1)
    utils.recursiveCopy(to, from)
    assert.is_nil(to.extra)
    assert.equal(6, to[1]:sum())
    assert.is_false(to[1] == from[1])
    utils.recursiveFill(to, 3)
    utils.recursiveAdd(to, 2, from)
    assert.equal(20, to[2][1]:sum())
    utils.recursiveAdd(to, from)
    assert.equal(24, to[2][1]:sum())
    assert.equal(to[1], (utils.recursiveResizeAs(to[1], from[1])))
    for _, name in ipairs {'recursiveResizeAs', 'recursiveCopy', 'recursiveAdd'} do
      local ok, message = pcall(utils[name], torch.ones(1), 'x')
      assert.is_false(ok)
      assert.is_truthy(message:find(name, 1, true))
    end
  end)

  it('views and clears', function()
    local x = torch.ones(2, 3)
    assert.are.same({2, 1, 3}, utils.addSingletonDimension(x, 2):size():totable())
    local view = torch.Tensor()
    assert.is_true(rawequal(view, utils.addSingletonDimension(view, x, 3)))
    assert.are.same({2, 3, 1}, view:size():totable())
    assert.has_error(function() utils.addSingletonDimension(x, 4) end)
    assert.are.same({6}, utils.contiguousView(x:t(), 6):size():totable())
    local object = {a = x, b = {x}, c = 3}
    assert.equal(object, utils.clear(object, 'a', 'b', 'missing'))
    assert.equal(0, object.a:nElement())
    assert.are.same({}, object.b)
    assert.equal(6, x:nElement())
    assert.equal(0, utils.clear({x = x}, {'x'}).x:nElement())
  end)
end)

describe('nn.StochasticGradient', function()
  it('trains, calls its hooks, and says what it does', function()
    torch.manualSeed(1)
    local data = {}
    function data:size() return 20 end
    for i = 1, 20 do
      local x = torch.randn(2)
      data[i] = {x, torch.Tensor{2 * x[1] - x[2]}}
    end
    local trainer = nn.StochasticGradient(nn.Linear(2, 1), nn.MSECriterion())
    assert.equal(25, trainer.maxIteration)
    assert.equal(0.01, trainer.learningRate)
    trainer.maxIteration, trainer.learningRate, trainer.verbose = 10, 0.1, false
    local examples, errors = 0, {}
    trainer.hookExample = function(self, example)
      assert.equal(trainer, self)
      assert.equal(2, #example)
      examples = examples + 1
    end
    trainer.hookIteration = function(_, iteration, mean) errors[iteration] = mean end
    trainer:train(data)
    assert.equal(200, examples)
    assert.equal(10, #errors)
    assert.is_true(errors[10] < errors[1] / 100)
    function data:size() return 0 end
    assert.has_error(function() trainer:train(data) end)
  end)
end)
