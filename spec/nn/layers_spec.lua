-- What simple layers do beside their gradients: constructors, masks, formats of input, errors.
local torch, nn = require 'torch', require 'nn'
local tensors = require 'spec.support.tensors'

local same = tensors.assert_same

local function fails(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(pattern, 1, true),
    ('%q has no %q'):format(tostring(message), pattern))
end

describe('nn: linear layers', function()
  it('begin as in Torch7', function()
    for _, case in ipairs {
      {nn.Linear(16, 9), 1 / 4, 'weight', 'bias'}, {nn.Bilinear(16, 2, 3), 1 / 4, 'weight', 'bias'},
      {nn.Cosine(5, 16), 1 / 4, 'weight'}, {nn.Euclidean(16, 5), 1 / 4, 'weight'},
      {nn.PartialLinear(16, 9), 1 / 4, 'weight', 'bias'}, {nn.Add(16), 1 / 4, 'bias'},
      {nn.CAdd(4, 4), 1 / 4, 'bias'}, {nn.CMul(2, 8), 1 / 4, 'weight'}, {nn.Mul(), 1, 'weight'},
      {nn.SparseLinear(16, 9), 1 / 4, 'weight'}, {nn.IndexLinear(16, 9), 1 / 4, 'weight'},
    } do
      local module, bound = case[1], case[2]
      for k = 3, #case do
        local values = module[case[k]]:detach()
        assert.is_true(values:clone():abs():max() <= bound, torch.type(module))
        assert.is_true(values:nElement() < 9 or values:std() > bound / 4, torch.type(module))
      end
      module:reset(0.001)
      for k = 3, #case do
        assert.is_true(module[case[k]]:detach():clone():abs():max() <= 0.0018, torch.type(module))
      end
    end
    assert.is_true(nn.SparseLinear(16, 9).bias:detach():clone():abs():max() < 1e-6)
  end)

  it('tell what they expected', function()
    fails('nn.Linear: a whole number of at least 1 expected for outputSize, got 0', nn.Linear, 3, 0)
    fails('expected for inputSize, got 2.5', nn.Linear, 2.5, 1)
    local bilinear = nn.Bilinear(3, 2, 4)
    fails('input 2 has 3 features, expected 2', bilinear.forward, bilinear,
      {torch.ones(1, 3), torch.ones(1, 3)})
    fails('a table of 2 tensors expected, got torch.FloatTensor', bilinear.forward, bilinear,
      torch.ones(1, 3))
    fails('[2x3] and [1x2] are not the same number', bilinear.forward, bilinear,
      {torch.ones(2, 3), torch.ones(1, 2)})
    local euclidean = nn.Euclidean(3, 2)
    fails('input has 4 features, expected 3', euclidean.forward, euclidean, torch.ones(2, 4))
    local add = nn.Add(3)
    fails('input of size [2x4], but examples of 3', add.forward, add, torch.ones(2, 4))
    local cmul = nn.CMul(1, 3)
    fails('[2x4] and a parameter of size [1x3] do not match', cmul.forward, cmul, torch.ones(2, 4))
    local linear = nn.Linear(3, 2)
    fails('nn.Linear: a tensor expected, got nil', linear.forward, linear)
    fails('nn.Linear: a tensor expected, got table', linear.forward, linear, {})
  end)

  it('turn into each other: LinearWeightNorm', function()
    local linear = nn.Linear(4, 3)
    local x = torch.randn(2, 4)
    local normed = nn.LinearWeightNorm.fromLinear(linear)
    same(linear:forward(x), normed:forward(x), 1e-6)
    same(linear.weight:detach(), normed.weight, 1e-6)
    assert.equal(3, #normed:parameters())
    torch.no_grad(normed.g.mul, normed.g, 2)
    local twice = normed:toLinear()
    same(linear.weight:detach() * 2, twice.weight:detach(), 1e-6)
    same(normed:forward(x), twice:forward(x), 1e-6)
    assert.equal('nn.LinearWeightNorm(4 -> 3) without bias',
      tostring(nn.LinearWeightNorm.fromLinear(nn.Linear(4, 3, false))))
    local double = nn.LinearWeightNorm.fromLinear(nn.Linear(4, 3):double())
    assert.equal('torch.DoubleTensor', double:forward(x:double()):type())
  end)

  it('compute a part: PartialLinear', function()
    local module, x = nn.PartialLinear(4, 6), torch.randn(3, 4)
    local all = module:forward(x):clone()
    module:setPartition(torch.LongTensor{5, 2})
    same(all:index(2, torch.LongTensor{5, 2}), module:forward(x), 1e-6)
    module:zeroGradParameters()
    module:backward(x, torch.ones(3, 2))
    local moved = module.gradWeight:clone():abs():sum(2):view(6):gt(0):totable()
    assert.are.same({0, 1, 0, 0, 1, 0}, moved)
    same(all, module:resetPartition():forward(x), 0)
    fails('outputs from 1 to 6 expected, got 7', module.setPartition, module, {1, 7})
  end)
end)

describe('nn: sparse inputs', function()
  local weight, bias = torch.randn(3, 5), torch.randn(3)
  local dense = torch.zeros(2, 5)
  dense[1][2], dense[1][5], dense[2][2], dense[2][3] = 0.5, -1, 2, 4
  local wanted = torch.linear(dense, weight, bias)

  it('of SparseLinear are rows, batches and tables', function()
    local module = nn.SparseLinear(5, 3)
    torch.no_grad(function() module.weight:copy(weight) module.bias:copy(bias) end)
    local first, second = torch.Tensor{{2, 0.5}, {5, -1}}, torch.Tensor{{3, 4}, {2, 2}}
    same(wanted[1], module:forward(first), 1e-6)
    same(wanted, module:forward(torch.cat(first, second, 1):view(2, 2, 2)), 1e-6)
    same(wanted, module:forward({first, second}), 1e-6)
    same(wanted[1]:view(1, 3), module:forward({first}), 1e-6)
    -- A feature twice counts twice; examples may differ in length.
    same(torch.cat(wanted[1], wanted[2], 1):view(2, 3),
      module:forward({first, torch.Tensor{{3, 4}, {2, 1.5}, {2, 0.5}}}), 1e-6)
    fails('index 6 is out of range: dimension 1 has 5', module.forward, module,
      torch.Tensor{{6, 1}})
    fails('rows {number, value} expected', module.forward, module, torch.ones(2, 3))
    fails('a tensor expected, got table', module.forward, module, {})
    same(bias, module:forward({first, torch.Tensor()})[2], 1e-6)
    same(bias, module:forward({torch.Tensor()})[1], 1e-6)
  end)

  it('of SparseLinear have a gradient on demand', function()
    local x = torch.Tensor{{2, 0.5}, {5, -1}}
    local module = nn.SparseLinear(5, 3)
    assert.equal(0, module:backward(x, torch.ones(3)):norm())
    module = nn.SparseLinear(5, 3, true)
    local columns = module.weight:detach():sum(1):view(5)
    local gradient = module:backward(x, torch.ones(3))
    same(torch.Tensor{columns[2], columns[5]}, gradient:select(2, 2), 1e-6)
  end)

  it('of IndexLinear are keys and values, in three forms', function()
    local module = nn.IndexLinear(5, 3, true)
    torch.no_grad(function() module.weight:copy(weight:t()) module.bias:copy(bias) end)
    local k1, v1 = torch.LongTensor{2, 5}, torch.Tensor{0.5, -1}
    local k2, v2 = torch.LongTensor{2, 3}, torch.Tensor{2, 4}
    same(wanted[1], module:forward({k1, v1}), 1e-6)
    same(wanted, module:forward({{k1, k2}, {v1, v2}}), 1e-6)
    local flat = {torch.cat(k1, k2, 1), torch.cat(v1, v2, 1), torch.LongTensor{2, 2}}
    same(wanted, module:forward(flat), 1e-6)
    same(bias, module:forward({{k1, torch.LongTensor()}, {v1, torch.Tensor()}})[2], 1e-6)
    same(bias, module:forward({{torch.LongTensor()}, {torch.Tensor()}})[1], 1e-6)
    local offset = nn.IndexLinear(5, 3, false, 1, module.weight, module.bias)
    same(wanted[1], offset:forward({k1 - 1, v1}), 1e-6)
    local gradient = module:backward({k1, v1}, torch.ones(3))
    local columns = weight:sum(1):view(5)
    same(torch.Tensor{columns[2], columns[5]}, gradient[2], 1e-6)
    fails('2 keys and 1 values', module.forward, module, {k1, torch.ones(1)})
    fails('index 9 is out of range: dimension 1 has 5', module.forward, module,
      {torch.LongTensor{9}, torch.ones(1)})
  end)

  it('of IndexLinear may be normalized by the greatest values so far', function()
    local module = nn.IndexLinear(3, 2, false, 0, nil, nil, true)
    assert.are.same({3, 6}, module.weight:size():totable())
    module:forward({torch.LongTensor{1, 2}, torch.Tensor{4, -5}})
    module:forward({torch.LongTensor{1, 2}, torch.Tensor{-8, 1}})
    same(torch.Tensor{8, 5, 0}, module.weight:detach():select(2, 1), 0)
    same(torch.Tensor{1 / 8, 1 / 5, 0}, module.weight:detach():select(2, 2), 1e-6)
    module:evaluate()
    -- In use a value beyond is cut.
    local row = module.weight:detach():narrow(2, 5, 2)[1]
    same(module:forward({torch.LongTensor{1}, torch.Tensor{80}}), row + module.bias:detach(), 1e-6)
    same(torch.Tensor{8, 5, 0}, module.weight:detach():select(2, 1), 0)
  end)
end)

describe('nn: lookup tables', function()
  it('leave the padding out', function()
    local module = nn.LookupTable(4, 2, 3)
    local x = torch.LongTensor{{3, 1}, {1, 3}}
    assert.are.same({2, 2, 2}, module:forward(x):size():totable())
    module:zeroGradParameters()
    module:backward(x, torch.ones(2, 2, 2))
    assert.are.same({{2, 2}, {0, 0}, {0, 0}, {0, 0}}, module.gradWeight:totable())
    module:scaleGradByFreq():zeroGradParameters()
    module:forward(x)
    module:backward(x, torch.ones(2, 2, 2))
    assert.are.same({{1, 1}, {0, 0}, {0, 0}, {0, 0}}, module.gradWeight:totable())
    module:setPadding(0):zeroGradParameters()
    module:forward(x)
    module:backward(x, torch.ones(2, 2, 2))
    assert.are.same({1, 1}, module.gradWeight[3]:totable())
  end)

  it('scale the rows down that are used', function()
    local module = nn.LookupTable(3, 2, 0, 1)
    torch.no_grad(module.weight.copy, module.weight, torch.Tensor{{3, 4}, {0.3, 0.4}, {3, 4}})
    module:forward(torch.LongTensor{1, 2, 1})
    same(torch.Tensor{{0.6, 0.8}, {0.3, 0.4}, {3, 4}}, module.weight:detach(), 1e-6)
    module:setMaxNorm(3.5):setNormType(1):forward(torch.LongTensor{3})
    same(torch.Tensor{1.5, 2}, module.weight:detach()[3], 1e-6)
  end)

  it('take indices of any type, and tell of wrong ones', function()
    local module = nn.LookupTable(4, 2)
    same(module:forward(torch.LongTensor{1, 4}):clone(), module:forward(torch.Tensor{1, 4}), 0)
    fails('index 0 is out of range: dimension 1 has 4', module.forward, module,
      torch.LongTensor{1, 0})
    fails('index 5 is out of range: dimension 1 has 4', module.forward, module, torch.IntTensor{5})
    assert.equal('nn.LookupTable(4 -> 2)', tostring(module))
  end)

  it('can be changed without a gradWeight', function()
    local module = nn.LookupTable(4, 2, 3):accUpdateOnly()
    assert.is_nil(module.gradWeight)
    assert.equal(0, #module:parameters())
    local x = torch.LongTensor{1, 3, 1}
    local before = module.weight:clone()
    module:forward(x)
    module:backward(x, torch.ones(3, 2))
    module:accUpdateGradParameters(x, torch.ones(3, 2), 0.1)
    same(torch.Tensor{{-0.2, -0.2}, {0, 0}, {0, 0}, {0, 0}}, module.weight - before, 1e-6)
    module:double():forward(x)
  end)

  it('of PyTorch count from 1 and may be frozen', function()
    local module = nn.Embedding(4, 2, 3)
    assert.are.same({0, 0}, module.weight:detach()[3]:totable())
    assert.equal(4, nn.Embedding(4, 2, -1).padding_idx)
    fails('a padding_idx from 1 to 4 expected, got 5', nn.Embedding, 4, 2, {padding_idx = 5})
    local rows = torch.randn(5, 3)
    local fixed = nn.Embedding.from_pretrained(rows)
    assert.equal(0, #fixed:parameters())
    same(rows[2], fixed(torch.LongTensor{2})[1], 0)
    assert.is_false(fixed(torch.LongTensor{2}).requires_grad)
    assert.equal(1, #nn.Embedding.from_pretrained(rows, false):parameters())
  end)
end)

describe('nn: what draws numbers', function()
  local function share_of_zeros(y) return y:eq(0):double():mean() end

  before_each(function() torch.manualSeed(11) end)

  it('drops whole feature maps', function()
    for _, case in ipairs {{nn.SpatialDropout(0.4), torch.ones(40, 50, 2, 3)},
      {nn.VolumetricDropout(0.4), torch.ones(40, 50, 1, 2, 3)}} do
      local module, x = case[1], case[2]
      local y = module:forward(x)
      local maps = y:view(2000, 6)
      assert.is_true(math.abs(share_of_zeros(y) - 0.4) < 0.05)
      assert.equal(0, (maps:max(2) - maps:min(2)):abs():max())
      assert.equal(1, y:max()) -- not scaled in training, as in Torch7
      same(module:backward(x, x), y, 0)
      module:evaluate()
      same(module:forward(x), x * 0.6, 1e-6)
    end
    local module = nn.SpatialDropout()
    fails('input of size [2x3] has 2 dimensions, expected 3 to 4', module.forward, module,
      torch.ones(2, 3))
  end)

  it('drops examples, and skips whole branches', function()
    local module, x = nn.DropPath(0.25), torch.ones(2000, 3)
    local y = module:forward(x)
    assert.is_true(math.abs(share_of_zeros(y) - 0.25) < 0.04)
    assert.equal(0, (y:max(2) - y:min(2)):abs():max())
    assert.is_true(math.abs(y:max() - 4 / 3) < 1e-6)
    module:evaluate()
    same(x, module:forward(x), 0)
  end)

  it('keeps mean and variance with AlphaDropout', function()
    local module, x = nn.AlphaDropout(0.3), torch.randn(200000)
    local y = module:forward(x)
    assert.is_true(math.abs(y:mean()) < 0.02)
    assert.is_true(math.abs(y:std() - 1) < 0.02)
    assert.is_true(torch.ne(y, x):double():mean() > 0.9)
    module:evaluate()
    same(x, module:forward(x), 0)
  end)

  it('adds noise in training only', function()
    local module, x = nn.WhiteNoise(2, 0.5), torch.zeros(20000)
    local y = module:forward(x)
    assert.is_true(math.abs(y:mean() - 2) < 0.02 and math.abs(y:std() - 0.5) < 0.02)
    module:evaluate()
    same(x, module:forward(x), 0)
  end)

  it('drops by Torch7\'s old rule', function()
    local module, x = nn.Dropout(0.25, true), torch.ones(10000)
    assert.equal(1, module:forward(x):max())
    module:evaluate()
    same(x * 0.75, module:forward(x), 1e-6)
    module = nn.Dropout(0.5, false, false, true)
    if rawget(nn, 'rnn') then -- another spec has loaded it, and its fourth argument is another
      module = nn.Dropout(0.5)
      module.stochastic_inference = true
    end
    module:evaluate()
    assert.is_true(share_of_zeros(module:forward(x)) > 0.4)
  end)

  it('has random slopes for negative numbers', function()
    local module, x = nn.RReLU(0.1, 0.3), torch.Tensor(10000):fill(-1)
    local y = module:forward(x)
    assert.is_true(y:max() <= -0.1 and y:min() >= -0.3 and y:std() > 0.04)
    same(module:backward(x, x), y, 1e-7)
    module:evaluate()
    same(torch.Tensor(10000):fill(-0.2), module:forward(x), 1e-6)
    assert.equal(5, module:forward(torch.Tensor{5})[1])
  end)
end)

describe('nn: layers that act on gradients', function()
  it('turn them round', function()
    local module, x = nn.GradientReversal(0.5), torch.randn(3)
    same(x, module:forward(x), 0)
    same(torch.Tensor{-1, -1, -1}, module:backward(x, torch.ones(3) * 2), 0)
    module:setLambda(2)
    local leaf = x:clone():requiresGrad(true)
    module(leaf):sum():backward()
    same(torch.Tensor{-2, -2, -2}, leaf.grad, 0)
  end)

  it('stop them', function()
    local module, x = nn.ZeroGrad(), torch.randn(3)
    same(x, module:forward(x), 0)
    assert.equal(0, module:backward(x, torch.ones(3)):norm())
    local chain = nn.Sequential(nn.Linear(3, 3), nn.ZeroGrad(), nn.Linear(3, 1))
    chain:zeroGradParameters()
    chain:backward(x, torch.ones(1))
    assert.equal(0, chain:get(1).gradWeight:norm())
    assert.is_true(chain:get(3).gradWeight:norm() > 0)
  end)

  it('add a penalty', function()
    local x, dy = torch.Tensor{0.5, -2, 0, 1}, torch.Tensor{1, 2, 3, 4}
    local module = nn.L1Penalty(0.1)
    same(x, module:forward(x), 0)
    assert.is_true(math.abs(module.loss - 0.35) < 1e-6)
    same(torch.Tensor{1.1, 1.9, 3, 4.1}, module:backward(x, dy), 1e-6)
    module = nn.L1Penalty(0.1, true, false)
    module:forward(x)
    assert.is_true(math.abs(module.loss - 0.35 / 4) < 1e-6)
    same(torch.Tensor{0.025, -0.025, 0, 0.025}, module:backward(x, dy), 1e-6)
  end)

  it('print sizes on both ways', function()
    local lines, old = {}, print
    rawset(_G, 'print', function(text) lines[#lines + 1] = text end)
    local ok, message = pcall(function()
      local module = nn.PrintSize('here')
      module:forward(torch.ones(2, 3))
      module:backward(torch.ones(2, 3), torch.ones(2, 3))
    end)
    rawset(_G, 'print', old)
    assert.is_true(ok, message)
    assert.equal('here:input 2x3', lines[1])
    assert.equal('here:gradOutput 2x3', lines[#lines])
  end)

  it('have no slope of infinity at the root of 0', function()
    local module, x = nn.Sqrt(), torch.Tensor{0, 4}
    same(torch.Tensor{0, 2}, module:forward(x), 0)
    same(torch.Tensor{0, 0.25}, module:backward(x, torch.ones(2)), 0)
  end)
end)

describe('nn.Kmeans', function()
  local function blobs()
    torch.manualSeed(4)
    local x = torch.randn(90, 2) * 0.1
    x:narrow(1, 1, 30):add(3)
    x:narrow(1, 31, 30):add(-3)
    return x
  end

  for _, method in ipairs {'initKmeansPlus', 'initRandom'} do
    it('finds clusters after ' .. method, function()
      local x, best = blobs(), nil
      for _ = 1, 5 do
        local module = nn.Kmeans(3, 2)
        module[method](module, x)
        for _ = 1, 10 do
          module:zeroGradParameters()
          module:forward(x)
          module:backward(x, nil)
          module:updateParameters(1)
        end
        module:forward(x)
        if not best or module.loss < best.loss then best = module:clone() end
      end
      assert.is_true(best.loss < 0.05)
      local clusters = best:forward(x)
      assert.equal('torch.LongTensor', clusters:type())
      for part = 0, 2 do
        local rows = x:narrow(1, part * 30 + 1, 30)
        local cluster = clusters[part * 30 + 1]
        assert.equal(30, clusters:narrow(1, part * 30 + 1, 30):eq(cluster):long():sum())
        same(rows:mean(1):view(2), best.weight:detach()[cluster], 1e-5)
      end
      assert.equal(0, best:backward(x):norm())
    end)
  end

  it('calls without a gradient, takes one example, and tells what is wrong', function()
    local module = nn.Kmeans(2, 3)
    assert.equal(1, module:forward(torch.ones(3)):nElement())
    assert.are.same({4}, module(torch.ones(4, 3)):size():totable())
    fails('input has 2 features, expected 3', module.forward, module, torch.ones(4, 2))
    fails('1 examples are too few for 2 centroids', module.initRandom, module, torch.ones(1, 3))
    module:initKmeansPlus(torch.ones(4, 3)) -- no two different ones
  end)
end)

describe('nn: layers that change the shape', function()
  it('count from the end', function()
    local x = torch.range(1, 12):view(3, 4)
    assert.are.same({4, 8, 12}, nn.Select(-1, -1):forward(x):totable())
    assert.are.same({{2, 3}}, nn.Narrow(1, 1):forward(x):narrow(2, 2, 2):totable())
    assert.are.same({3, 2}, nn.Narrow(2, -2, -1):forward(x):size():totable())
    assert.are.same({3, 2}, nn.Narrow(-1, 2, -2):forward(x):size():totable())
    assert.are.same({9, 10, 11, 12}, nn.Max(-2):forward(x):totable())
    assert.are.same({{1, 0, 2, 3, 4}}, nn.Padding(2, -1, nil, 0, 2):forward(x):narrow(1, 1, 1)
      :totable())
    assert.are.same({3, 4}, nn.Flatten():forward(x):size():totable())
    assert.are.same({3, 2, 2}, nn.Unflatten(-1, {2, -1}):forward(x):size():totable())
  end)

  it('give a tensor even of one element', function()
    assert.are.same({1}, nn.Squeeze():forward(torch.ones(1, 1)):totable())
    assert.are.same({2}, nn.Select(1, 2):forward(torch.Tensor{1, 2}):totable())
    assert.are.same({3}, nn.Sum():forward(torch.Tensor{1, 2}):totable())
    assert.are.same({{3}}, nn.Sum(2, nil, false, false):forward(torch.Tensor{{1, 2}}):totable())
  end)

  it('tell what is missing', function()
    for pattern, module in pairs {
      ['dimension 3 of an input of size [2x3] does not exist'] = nn.Select(3, 1),
      ['there is no index 4: dimension 2 of an input of size [2x3]'] = nn.Select(2, 4),
      ['dimension 1 of an input of size [2x3] has no part of 2 from 2 on'] = nn.Narrow(1, 2, 2),
      ['too few dimensions for a new one at 4'] = nn.Replicate(2, 4),
      ['a table of 2 tensors expected'] = nn.Index(1),
      ['dimension 2 of an input of size [2x3] cannot be halved'] = nn.GatedLinearUnit(),
      ['has 2 dimensions, expected 3 to 4'] = nn.PixelShuffle(2),
      ['input of size [2x3] has 3 channels, expected 2'] = nn.PReLU(2),
    } do
      fails(torch.type(module) .. ': ', module.forward, module, torch.ones(2, 3))
      fails(pattern, module.forward, module, torch.ones(2, 3))
    end
    local softmax = nn.SoftMax()
    fails('has 5 dimensions, expected 1 to 4', softmax.forward, softmax, torch.ones(1, 1, 1, 1, 1))
    fails('max_value, 1, must be larger than min_value, 2', nn.HardTanh, 2, 1)
    fails("'none' or 'tanh' expected, got half", nn.GELU, 'half')
  end)

  it('convert types', function()
    local module, x = nn.Copy('torch.FloatTensor', 'torch.DoubleTensor'), torch.randn(3)
    assert.equal('torch.DoubleTensor', module:forward(x):type())
    local gradient = module:backward(x, torch.ones(3):double())
    assert.equal('torch.FloatTensor', gradient:type())
    assert.equal('nn.Copy(torch.FloatTensor -> torch.DoubleTensor)', tostring(module))
    local kept = nn.Copy('torch.FloatTensor', 'torch.DoubleTensor', true, true):float()
    assert.equal('torch.DoubleTensor', kept:forward(x):type())
    fails('a type such as', nn.Copy, 'Float')
    assert.equal('torch.DoubleTensor', nn.OneHot(3):double():forward(torch.LongTensor{2}):type())
  end)

end)

describe('nn: normalization', function()
  it('over a batch keeps running averages, which it uses', function()
    local module, x = nn.BatchNormalization(2, 0, 0.5), torch.Tensor{{1, 10}, {3, 20}}
    assert.is_true(module.weight:detach():min() >= 0 and module.weight:detach():max() <= 1)
    module:forward(x)
    same(torch.Tensor{1, 7.5}, module.running_mean, 1e-6)
    same(torch.Tensor{1.5, 25.5}, module.running_var, 1e-5) -- by n - 1
    module:evaluate()
    torch.no_grad(module.weight.fill, module.weight, 1)
    same(torch.Tensor{{0, 2.5 / 25.5 ^ 0.5}}, module:forward(torch.Tensor{{1, 10}}), 1e-6)
    same(torch.Tensor{1, 7.5}, module.running_mean, 1e-6)
    assert.is_nil(nn.BatchNormalization(2, nil, nil, false).weight)
    assert.are.same({0, 0}, module:reset().running_mean:totable())
    assert.equal('nn.SpatialBatchNormalization (4D) (3)', tostring(nn.SpatialBatchNormalization(3)))
  end)

  it('over a batch wants one, of its dimensions', function()
    local module = nn.SpatialBatchNormalization(3)
    fails('input of size [2x3] has 2 dimensions, expected 4', module.forward, module,
      torch.ones(2, 3))
    fails('input has 4 features, expected 3', module.forward, module, torch.ones(1, 4, 2, 2))
    fails('more than one value for each feature expected in training', module.forward, module,
      torch.ones(1, 3, 1, 1))
    fails('affine: true or false expected', nn.BatchNormalization, 3, nil, nil, 1)
  end)

  it('is read from older files', function()
    local old = torch.factory('nn.BatchNormalization')()
    old.running_mean, old.running_std, old.eps = torch.zeros(2), torch.Tensor{0.5, 1}, 1
    old.momentum, old.affine, old.train = 0.1, false, false
    local new = torch.deserialize(torch.serialize(old))
    same(torch.Tensor{3, 0}, new.running_var, 1e-6)
    same(torch.Tensor{{1, 2}}, new:forward(torch.Tensor{{2, 2}}), 1e-6)

    -- Torch7's LayerNormalization is a Sequential.
    old = torch.factory('nn.LayerNormalization')()
    old.gain, old.bias = torch.Tensor{1, 2, 3}, torch.Tensor{0, 1, 0}
    old.modules = {nn.Normalize(2, 1e-6)}
    new = torch.deserialize(torch.serialize(old))
    local wanted = nn.LayerNormalization(3, 0, 1e-6)
    torch.no_grad(function() wanted.gain:copy(old.gain) wanted.bias:copy(old.bias) end)
    local x = torch.randn(2, 3)
    same(wanted:forward(x), new:forward(x), 0)
    assert.equal(2, #new:parameters())
    assert.equal(1e-6, new.eps)
  end)
end)
