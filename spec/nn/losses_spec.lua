-- What single criterions promise beside their values: fields, forms of arguments, messages.
local torch, nn = require 'torch', require 'nn'

local function near(expected, got, tolerance)
  assert.is_true(math.abs(expected - got) <= (tolerance or 1e-6), ('%g, not %g'):format(got,
    expected))
end

local function fails(part, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(part, 1, true),
    ('%s\n does not hold\n%s'):format(message, part))
end

local function forward(criterion, input, target)
  return function()
    local loss = criterion:forward(input, target)
    return loss
  end
end

local x, labels = torch.randn(3, 4), torch.LongTensor{2, 4, 1}

describe('sizeAverage', function()
  local pairs_of = {torch.rand(3), torch.rand(3)}
  local signs = torch.Tensor{1, -1, 1}
  local cases = {
    MSE = {x, torch.randn(3, 4), 12}, Abs = {x, torch.randn(3, 4), 12},
    SmoothL1 = {x, torch.randn(3, 4), 12}, SoftMargin = {pairs_of[1], signs, 3},
    Margin = {pairs_of[1], signs, 3}, HingeEmbedding = {pairs_of[1], signs, 3},
    MarginRanking = {pairs_of, signs, 3}, DistanceRatio = {pairs_of, nil, 3},
    CosineEmbedding = {{x, torch.randn(3, 4)}, signs, 3}, ClassNLL = {x, labels, 3},
    CrossEntropy = {x, labels, 3}, MultiMargin = {x, labels, 3}, BCE = {torch.rand(2), signs:gt(0)
      :narrow(1, 1, 2), 2},
    DistKLDiv = {x, torch.rand(3, 4), 12}, MultiLabelSoftMargin = {x, x:gt(0), 12},
    BCEWithLogits = {x, x:gt(0), 12},
  }
  for name, case in pairs(cases) do
    it('may be set later, of ' .. name .. 'Criterion', function()
      local criterion = nn[name .. 'Criterion']()
      assert.is_true(criterion.sizeAverage)
      local mean = criterion:forward(case[1], case[2])
      criterion.sizeAverage = false
      near(mean * case[3], (criterion:forward(case[1], case[2])), 1e-4)
    end)
  end

  it('of CrossEntropyCriterion may be set in `nll`, as weights may', function()
    local criterion = nn.CrossEntropyCriterion()
    local mean = criterion:forward(x, labels)
    criterion.nll.sizeAverage = false
    near(3 * mean, criterion:forward(x, labels), 1e-5)
    local weights = torch.Tensor{1, 2, 3, 4}
    criterion.nll.weights = weights
    near(nn.CrossEntropyCriterion(weights, false):forward(x, labels),
      criterion:forward(x, labels), 1e-5)
    -- As a file of Torch7 has it.
    local old = nn.CrossEntropyCriterion(weights)
    local wanted = old:forward(x, labels)
    for _, field in ipairs {'weights', 'sizeAverage', 'label_smoothing', 'ignoreIndex'} do
      old[field] = nil
    end
    near(wanted, old:forward(x, labels))
  end)
end)

describe('class labels', function()
  it('out of range are named, and the range', function()
    local bad = torch.LongTensor{2, 5, 1}
    for name, criterion in pairs {ClassNLL = nn.ClassNLLCriterion(),
      CrossEntropy = nn.CrossEntropyCriterion(), MultiMargin = nn.MultiMarginCriterion(),
      ClassSimplex = nn.ClassSimplexCriterion(4), Focal = nn.FocalCriterion()} do
      for _, kind in ipairs {'long', 'byte', 'float'} do
        fails('class label 5 at position 2 is out of range: there are classes 1 to 4',
          forward(criterion, x, bad[kind](bad)))
      end
      fails('nn.' .. name, forward(criterion, x, bad))
      fails('class label 1.5 at position 1', forward(criterion, x, torch.Tensor{1.5, 1, 1}))
      fails('class label 0 at position 1', forward(criterion, x[1], 0))
      fails('2 class labels for a batch of 3', forward(criterion, x, torch.LongTensor{1, 2}))
    end
    fails('class label 5 at position 2 is out of range: there are classes 0 to 4',
      forward(nn.MultiLabelMarginCriterion(), x[1], torch.LongTensor{1, 5, 0, 0}))
    fails('class label 3 at position 4', forward(nn.SpatialClassNLLCriterion(),
      torch.randn(1, 2, 2, 2), torch.LongTensor{{{1, 2}, {1, 3}}}))
    fails('so 8 class labels are expected, got a target of size 2x3', forward(
      nn.CrossEntropyCriterion(), torch.randn(2, 3, 2, 2), torch.LongTensor(2, 3):fill(1)))
  end)

  it('may come in any type, and with a dimension of size 1', function()
    local wanted = nn.ClassNLLCriterion():forward(x, labels)
    for _, kind in ipairs {'byte', 'int', 'float', 'double'} do
      near(wanted, (nn.ClassNLLCriterion():forward(x, labels[kind](labels))))
    end
    near(wanted, (nn.ClassNLLCriterion():forward(x, labels:view(3, 1))))
    near(nn.CrossEntropyCriterion():forward(x, labels),
      nn.CrossEntropyCriterion():forward(x:view(3, 4, 1, 1), labels))
  end)

  it('weigh something, which forward tells', function()
    local weights = torch.Tensor{1, 2, 0.5, 3}
    local function weight(criterion, target, input)
      local _, total = criterion:forward(input or x, target)
      return total
    end
    assert.equal(3, weight(nn.ClassNLLCriterion(), labels))
    assert.equal(6, weight(nn.ClassNLLCriterion(weights), labels))
    assert.equal(3, weight(nn.ClassNLLCriterion(weights, true, 4), labels))
    assert.equal(2, weight(nn.ClassNLLCriterion(nil, true, 4), labels))
    assert.equal(3, weight(nn.ClassNLLCriterion(weights), 4, x[1]))
    assert.equal(0, weight(nn.ClassNLLCriterion(nil, true, 4), 4, x[1]))
  end)

  it('to be ignored count nothing', function()
    local some, kept = torch.LongTensor{2, -100, 1}, torch.LongTensor{2, 1}
    local rows = x:index(1, torch.LongTensor{1, 3})
    for _, criterion in ipairs {nn.ClassNLLCriterion(), nn.CrossEntropyCriterion()} do
      near((criterion:forward(rows, kept)), (criterion:forward(x, some)))
      criterion:forward(x, some)
      assert.equal(0, criterion:backward(x, some)[2]:norm())
      assert.equal(0, (criterion:forward(x, torch.LongTensor{-100, -100, -100})))
      assert.equal(0, (criterion:forward(x[1], -100)))
    end
  end)
end)

describe('options', function()
  it('are checked', function()
    fails("no option 'label_smooting'; there are ignoreIndex, label_smoothing", function()
      return (nn.CrossEntropyCriterion{label_smooting = 0.1})
    end)
    fails('label_smoothing: a number from 0 to 1 expected, got 2', function()
      return (nn.CrossEntropyCriterion{label_smoothing = 2})
    end)
    fails("option reduction is 'mean', 'sum' or 'none', got 'avg'", function()
      return (nn.MSECriterion{reduction = 'avg'})
    end)
    fails("option reduction is 'mean', 'sum', 'batchmean' or 'none'", function()
      return (nn.KLDivCriterion{reduction = 'avg'})
    end)
    fails('option delta must be a number, got string', function()
      return (nn.HuberCriterion{delta = '1'})
    end)
    fails('true, false or a table of options expected, got number', function()
      return (nn.AbsCriterion(1))
    end)
    fails('weights: a tensor of one dimension expected, got 2x2', function()
      return (nn.BCECriterion(torch.ones(2, 2)))
    end)
    fails('spec/nn/losses_spec.lua', function() return (nn.MSECriterion{reduction = 'avg'}) end)
  end)

  it('reduction = none gives one loss for each element or row', function()
    local each = nn.MSECriterion{reduction = 'none'}:forward(x, x * 0)
    assert.are.same({3, 4}, each:size():totable())
    assert.are.same({3}, nn.CrossEntropyCriterion{reduction = 'none'}:forward(x, labels):size()
      :totable())
    assert.are.same({2, 2, 1}, nn.CrossEntropyCriterion{reduction = 'none'}:forward(
      torch.randn(2, 3, 2, 1), torch.LongTensor(2, 2, 1):fill(1)):size():totable())
  end)
end)

describe('arguments', function()
  it('of wrong sizes and kinds are named', function()
    local mse = nn.MSECriterion()
    fails('nn.MSECriterion: input has size 3x4, but the target size 5',
      forward(mse, x, torch.randn(5)))
    fails('target: a tensor expected, got nil', forward(mse, x))
    fails('input: a tensor expected, got table', forward(mse, {x}, x))
    fails('input has no elements', forward(mse, torch.Tensor(), torch.Tensor()))
    fails('input: a table of 2 tensors expected, got torch.FloatTensor',
      forward(nn.MarginRankingCriterion(), x, 1))
    fails('input 1 has size 3x4, but input 2 size 4',
      forward(nn.CosineEmbeddingCriterion(), {x, x[1]}, 1))
    fails('2 weights for 4 elements', forward(nn.BCECriterion(torch.ones(2)), torch.rand(3, 4),
      torch.rand(3, 4)))
    fails('no target expected', forward(nn.L1Cost(), x, x))
    fails('input from 0 to 1 expected, got values from -1 to 0.5', forward(nn.BCECriterion(),
      torch.Tensor{-1, 0.5}, torch.Tensor{1, 1}))
    fails('a variance is never negative, got -1', forward(nn.GaussianNLLCriterion(),
      {torch.zeros(2), torch.Tensor{1, -1}}, torch.zeros(2)))
    fails('higher and wider', forward(nn.SpatialAutoCropMSECriterion(), torch.randn(1, 4, 4),
      torch.randn(1, 3, 5)))
    fails('input has 4 features, expected 3', forward(nn.ClassSimplexCriterion(3), x, labels))
  end)

  it('need only as many elements, as in Torch7', function()
    near(nn.MSECriterion():forward(x, x * 2), nn.MSECriterion():forward(x, (x * 2):view(12)))
    near(nn.AbsCriterion():forward(x, x * 2), nn.AbsCriterion():forward(x:view(12), x * 2))
  end)
end)

describe('criterions of Torch7', function()
  it('WeightedMSECriterion weighs the target', function()
    assert.equal(0, nn.WeightedMSECriterion(torch.Tensor{1, 2, 3, 4}):forward(
      torch.Tensor{{1, 2, 3, 4}, {2, 4, 6, 8}}, torch.Tensor{{1, 1, 1, 1}, {2, 2, 2, 2}}))
  end)

  it('SpatialAutoCropMSECriterion takes the middle', function()
    local target = torch.zeros(1, 4, 5)
    target[1][2][3] = 1
    local input = torch.zeros(1, 2, 2)
    input[1][1][2] = 1
    assert.equal(0, nn.SpatialAutoCropMSECriterion():forward(input, target))
  end)

  it('ClassSimplexCriterion has corners at equal distances', function()
    local criterion = nn.ClassSimplexCriterion(5)
    local products = torch.mm(criterion.simplex, criterion.simplex:t())
    for i = 1, 5 do
      for j = 1, 5 do near(i == j and 1 or -0.25, products[i][j]) end
    end
    assert.are.same({1, 2, 3, 4, 5}, criterion:getTopPrediction(criterion.simplex):totable())
    assert.are.same({5}, criterion:getTopPrediction(criterion.simplex[5]):totable())
    assert.are.same({2, 5}, criterion:getPredictions(torch.randn(2, 5)):size():totable())
    assert.equal(0, criterion:forward(criterion.simplex, torch.LongTensor{1, 2, 3, 4, 5}))
    fails('2 or more', function() return (nn.ClassSimplexCriterion(1)) end)
  end)

  it('MultiCriterion runs criterions that bring their own gradient', function()
    local Doubled, parent = torch.class('nn.DoubledForTest', 'nn.Criterion')
    function Doubled:__init() parent.__init(self) end
    function Doubled:updateOutput(input)
      self.output = 2 * input:sum()
      return self.output
    end
    function Doubled:updateGradInput(input)
      self.gradInput:resizeAs(input):fill(2)
      return self.gradInput
    end
    local both = nn.MultiCriterion():add(nn.DoubledForTest(), 0.5):add(nn.L1Cost())
    fails('a criterion expected, got nn.Linear', both.add, both, nn.Linear(2, 2))
    local input = torch.Tensor{1, -2}
    assert.equal(-1 + 3, both:forward(input))
    assert.are.same({2, 0}, both:backward(input):totable())
    assert.equal(-2, both.criterions[1].output)
  end)

  it('ParallelCriterion says whose fault it is', function()
    local both = nn.ParallelCriterion():add(nn.MSECriterion()):add(nn.AbsCriterion())
    fails('nn.ParallelCriterion nn.AbsCriterion: input has size 3x4', forward(both, {x, x},
      {x, torch.randn(2)}))
    fails('input: a table for 2 criterions expected, got one of 1', forward(both, {x}, {x, x}))
    fails('target: a table for 2 criterions expected', forward(both, {x, x}, x))
  end)

  it('ModuleCriterion leaves the target\'s module alone on demand', function()
    local function types(cast)
      local criterion = nn.ModuleCriterion(nn.MSECriterion(), nn.Linear(2, 2), nn.Linear(2, 2),
        cast):double()
      return criterion.inputModule.weight.dtype, criterion.targetModule.weight.dtype
    end
    assert.are.same({'float64', 'float64'}, {types()})
    assert.are.same({'float64', 'float32'}, {types(false)})
  end)
end)

describe('nn.CTCCriterion', function()
  local acts = torch.randn(5, 2, 4)

  it('takes targets in several forms', function()
    local ctc = nn.CTCCriterion()
    local wanted = ctc:forward(acts, {{1, 3}, {2}}, {5, 4})
    local gradient = ctc:backward(acts, {{1, 3}, {2}}, {5, 4}):clone()
    for _, form in ipairs {
      {torch.LongTensor{{1, 3}, {2, 0}}, torch.IntTensor{5, 4}},
      {torch.IntTensor{1, 3, 2}, {5, 4}, {2, 1}},
      {torch.LongTensor{{1, 3}, {2, 9}}, {5, 4}, torch.LongTensor{2, 1}},
      {{torch.Tensor{1, 3}, 2}, torch.Tensor{5, 4}},
    } do
      near(wanted, ctc:forward(acts, form[1], form[2], form[3]))
      near(0, (ctc:backward(acts, form[1], form[2], form[3]) - gradient):norm())
    end
    near(wanted, nn.CTCCriterion(true):forward(acts:transpose(1, 2), {{1, 3}, {2}}, {5, 4}))
    -- Steps beyond the size count nothing.
    assert.equal(0, gradient[5][2]:norm())
    local leaf = acts:clone():requiresGrad(true)
    ctc(leaf, {{1, 3}, {2}}, {5, 4}):backward()
    near(0, (leaf.grad - gradient):norm())
    near(wanted, ctc:clone():forward(acts, {{1, 3}, {2}}, {5, 4}))
  end)

  it('counts what cannot be aligned as infinite, or as 0', function()
    local short, targets = acts:narrow(1, 1, 2), {{1, 1}, {2}}
    assert.equal(math.huge, nn.CTCCriterion():forward(short, targets))
    local ctc = nn.CTCCriterion{zero_infinity = true}
    assert.is_true(ctc:forward(short, targets) < math.huge)
    local gradient = ctc:backward(short, targets)
    assert.equal(0, gradient:select(2, 1):norm())
    assert.is_true(gradient:select(2, 2):norm() > 0)
  end)

  it('gives the probability of all alignments together', function()
    -- Of two steps and one label: blank label, label blank, label label.
    local p = torch.Tensor{{0.2, 0.8}, {0.4, 0.6}}
    near(-math.log(0.2 * 0.6 + 0.8 * 0.4 + 0.8 * 0.6),
      nn.CTCCriterion():forward(torch.log(p), {1}), 1e-5)
    near(-math.log(0.2 * 0.4), nn.CTCCriterion():forward(torch.log(p), {{}}), 1e-5)
  end)

  it('says what is wrong', function()
    local function loss(...)
      local arguments, ctc = {...}, nn.CTCCriterion()
      return function() return (ctc:forward((table.unpack or unpack)(arguments, 1, 4))) end
    end
    fails('class label 4 at position 2 is out of range: 0 to 3 are allowed',
      loss(acts, {{1, 4}, {2}}))
    fails('class label 0 at position 3 is the blank', loss(acts, {{1, 3}, {0}}))
    fails('input length 6 at position 2 is out of range: 0 to 5 are allowed',
      loss(acts, {{1, 3}, {1}}, {5, 6}))
    fails('target length 3 at position 1 is out of range', loss(acts,
      torch.LongTensor{{1, 2}, {1, 2}}, {5, 5}, {3, 1}))
    fails('target lengths that add up to 2, but 3 labels', loss(acts, torch.LongTensor{1, 2, 3},
      {5, 5}, {1, 1}))
    fails('1 input lengths for a batch of 2', loss(acts, {{1}, {1}}, {5}))
    fails('size (time, batch, class) or (time, class) expected, got 5', loss(torch.randn(5), {1}))
    fails('blank 9 is out of range: there are classes 0 to 3', function()
      return (nn.CTCCriterion{blank = 9}:forward(acts, {{1}, {1}}))
    end)
    fails('or target sizes expected', loss(acts, torch.LongTensor{1, 2}))
    fails('target 1: a table or tensor of labels expected, got string', loss(acts, {'a', {1}}))
  end)
end)
