-- What is particular of losses; the rest is in modules_spec and its cases.
local torch, nn = require 'torch', require 'nn'

local function classes(...) return torch.LongTensor{...} end

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
