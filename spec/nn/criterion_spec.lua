-- The losses, in both protocols.
local torch, nn = require 'torch', require 'nn'

local H = 1e-4

local function classes(...) return torch.LongTensor{...} end

local function log_probabilities(...)
  return nn.LogSoftMax():double():forward(torch.randn(...):double()):clone()
end

local weights = torch.DoubleTensor{1, 2, 0.5}
local cases = {
  MSECriterion = {nn.MSECriterion(), torch.randn(4, 3):double(), torch.randn(4, 3):double()},
  ['MSECriterion, summed'] = {nn.MSECriterion(false), torch.randn(5):double(),
    torch.randn(5):double()},
  CrossEntropyCriterion = {nn.CrossEntropyCriterion(), torch.randn(4, 3):double(),
    classes(1, 3, 2, 2)},
  ['CrossEntropyCriterion, one example'] = {nn.CrossEntropyCriterion(), torch.randn(3):double(), 2},
  ['CrossEntropyCriterion, weighted sum'] = {nn.CrossEntropyCriterion(weights, false),
    torch.randn(4, 3):double(), classes(1, 3, 2, 2)},
  ClassNLLCriterion = {nn.ClassNLLCriterion(), log_probabilities(4, 3), classes(1, 3, 2, 2)},
  ['ClassNLLCriterion, weighted'] = {nn.ClassNLLCriterion(weights), log_probabilities(4, 3),
    classes(1, 3, 2, 2)},
  ['ClassNLLCriterion, some ignored'] = {nn.ClassNLLCriterion(nil, true, -100),
    log_probabilities(4, 3), classes(1, -100, 2, -100)},
}

for name, case in pairs(cases) do
  local criterion, input, target = case[1], case[2], case[3]
  it('nn: ' .. name .. ' gives a number, and right gradients in both protocols', function()
    local loss = criterion:forward(input, target)
    assert.equal('number', type(loss))
    assert.equal(loss, criterion.output)
    local gradient = criterion:backward(input, target)
    assert.is_true(gradient == criterion.gradInput)
    local values, slopes = input:view(input:nElement()), gradient:clone():view(input:nElement())
    for i = 1, values:nElement() do
      local old = values[i]
      values[i] = old + H
      local up = criterion:forward(input, target)
      values[i] = old - H
      assert.is_true(math.abs((up - criterion:forward(input, target)) / (2 * H) - slopes[i]) < 1e-6)
      values[i] = old
    end
    local leaf = input:clone():requiresGrad(true)
    local tied = criterion(leaf, target)
    assert.is_true(math.abs(tied:item() - loss) < 1e-9)
    tied:backward()
    assert.is_true((leaf.grad - gradient):abs():max() < 1e-9)
    assert.equal('number', type(criterion(input, target)))
    torch.no_grad(function()
      assert.is_true(math.abs(criterion:forward(input, target) - loss) < 1e-9)
      assert.is_true((criterion:backward(input, target) - gradient):abs():max() < 1e-9)
    end)
  end)
end

describe('criterions', function()
  it('agree with each other', function()
    local x, t = torch.randn(4, 3), classes(1, 3, 2, 2)
    local both = nn.ClassNLLCriterion():forward(nn.LogSoftMax():forward(x), t)
    assert.is_true(math.abs(both - nn.CrossEntropyCriterion():forward(x, t)) < 1e-6)
  end)

  it('take the target into account that backward is given', function()
    local criterion, x = nn.MSECriterion(), torch.zeros(2)
    criterion:forward(x, torch.Tensor{1, 1})
    assert.are.same({-2, -2}, criterion:backward(x, torch.Tensor{2, 2}):totable())
  end)

  it('say what is wrong', function()
    local ok, message = pcall(function()
      local loss = nn.CrossEntropyCriterion():forward(torch.randn(2, 3), classes(1, 4))
      return loss
    end)
    assert.is_false(ok)
    assert.is_truthy(message:find('nn.CrossEntropyCriterion: .*class label 4 at position 2'))
  end)

  it('survive a file and cloning', function()
    local criterion = nn.CrossEntropyCriterion(torch.Tensor{1, 2})
    local copy = torch.deserialize(torch.serialize(criterion))
    assert.are.same({1, 2}, copy.weights:totable())
    assert.are.same({1, 2}, criterion:clone().weights:totable())
    assert.equal('torch.DoubleTensor', criterion:double().weights:type())
  end)
end)
