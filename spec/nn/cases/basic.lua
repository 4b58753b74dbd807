-- The layers and losses that came first.
local cases = require 'spec.support.cases'
local make, randn, classes = cases.make, cases.randn, cases.integers

local function log_probabilities()
  return nn.LogSoftMax():double():forward(torch.randn(4, 3):double()):clone()
end

local function weights() return torch.Tensor{1, 2, 0.5} end

return {
  Linear = {make('Linear', 4, 3), randn(5, 4), single = randn(4), batched = true},
  ['Linear, no bias'] = {make('Linear', 4, 3, false), randn(5, 4), single = randn(4)},
  ReLU = {make('ReLU'), randn(5, 4), batched = true},
  Tanh = {make('Tanh'), randn(5, 4), batched = true},
  Sigmoid = {make('Sigmoid'), randn(2, 3, 4), batched = true},
  Identity = {make('Identity'), randn(5, 4), batched = true},
  SoftMax = {make('SoftMax'), randn(5, 4), single = randn(4), batched = true},
  LogSoftMax = {make('LogSoftMax'), randn(5, 4), single = randn(4), batched = true},
  ['LogSoftMax, images'] = {make('LogSoftMax'), randn(2, 3, 2, 2), single = randn(3, 2, 2)},
  View = {make('View', 2, 2), randn(5, 4)},
  Reshape = {make('Reshape', 4), randn(3, 2, 2), single = randn(2, 2), batched = true},
  ['Dropout, in use'] = {function()
    local module = nn.Dropout(0.5)
    module:evaluate()
    return module
  end, randn(5, 4)},
  Dropout = {make('Dropout', 0.5), randn(5, 4), random = true},
  Sequential = {function()
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Sequential(nn.Linear(6, 3), nn.Sigmoid()))
  end, randn(5, 4), single = randn(4), batched = true},

  GradientReversal = {make('GradientReversal', 2), randn(5, 4), own_gradient = true},
  ZeroGrad = {make('ZeroGrad'), randn(5, 4), own_gradient = true},
  L1Penalty = {make('L1Penalty', 0.5), randn(5, 4), own_gradient = true},

  MSECriterion = {make('MSECriterion'), randn(4, 3), randn(4, 3)},
  ['MSECriterion, summed'] = {make('MSECriterion', false), randn(5), randn(5)},
  CrossEntropyCriterion = {make('CrossEntropyCriterion'), randn(4, 3), classes(1, 3, 2, 2)},
  ['CrossEntropyCriterion, one example'] = {make('CrossEntropyCriterion'), randn(3),
    function() return 2 end},
  ['CrossEntropyCriterion, weighted sum'] = {function()
    return nn.CrossEntropyCriterion(weights(), false)
  end, randn(4, 3), classes(1, 3, 2, 2)},
  ClassNLLCriterion = {make('ClassNLLCriterion'), log_probabilities, classes(1, 3, 2, 2)},
  ['ClassNLLCriterion, weighted'] = {function() return nn.ClassNLLCriterion(weights()) end,
    log_probabilities, classes(1, 3, 2, 2)},
  ['ClassNLLCriterion, some ignored'] = {make('ClassNLLCriterion', nil, true, -100),
    log_probabilities, classes(1, -100, 2, -100)},
}
