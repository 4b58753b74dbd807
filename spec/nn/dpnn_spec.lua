-- The methods and classes of dpnn.
local torch, nn = require 'torch', require 'nn'
require 'dpnn'

local function close(a, b, tolerance)
  a, b = a:detach():double(), b:detach():double()
  assert.same(a:size():totable(), b:size():totable())
  assert.is_true((a - b):abs():max() <= (tolerance or 1e-6))
end

local function fails(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

local function trained(seed)
  torch.manualSeed(seed or 1)
  local model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
  local x = torch.randn(5, 4)
  model:zeroGradParameters()
  model:forward(x)
  model:backward(x, torch.randn(5, 2))
  return model, x
end

describe('package dpnn', function()
  local NAMES = {'Serial', 'ReverseTable', 'Dictionary', 'Inception', 'SoftMaxTree',
    'SoftMaxForest', 'Clip', 'SpatialUniformCrop', 'SpatialGlimpse', 'ArgMax',
    'CategoricalEntropy', 'TotalDropout', 'FireModule', 'SpatialRegionDropout',
    'SpatialFeatNormalization', 'SpatialBinaryConvolution', 'SimpleColorTransform',
    'PCAColorTransform', 'NCEModule', 'NCECriterion', 'Reinforce', 'ReinforceGamma',
    'ReinforceBernoulli', 'ReinforceNormal', 'ReinforceCategorical', 'VRClassReward',
    'BinaryClassReward', 'BinaryLogisticRegression', 'SpatialBinaryLogisticRegression'}
  local METHODS = {'sharedClone', 'serialMode', 'heavySerial', 'mediumSerial', 'lightSerial',
    'Serial', 'gradParamClip', 'maxParamNorm', 'weightDecay', 'updateGradParameters',
    'momentumGradParameters', 'sparseParameters', 'checkParameters', 'dontBackward', 'toBatch',
    'fromBatch', 'extrapolateType', 'profile', 'reinforce', 'outside', 'accept'}

  it('has the names that Torch7 has', function()
    for _, name in ipairs(NAMES) do assert.equal('nn.' .. name, tostring(nn[name])) end
    for _, name in ipairs(METHODS) do assert.equal('function', type(nn.Module[name]), name) end
  end)
end)

describe('gradients', function()
  it('are clipped by their norm, of all or of each module', function()
    local model = trained()
    local _, gradients = model:parameters()
    local sum = 0
    for _, gradient in ipairs(gradients) do sum = sum + gradient:norm() ^ 2 end
    local before = gradients[1]:clone()
    local norm = model:gradParamClip(math.sqrt(sum) / 2)
    assert.is_true(math.abs(norm - math.sqrt(sum)) < 1e-4)
    close(before / 2, gradients[1])
    model:gradParamClip(1000)
    close(before / 2, gradients[1])
    model:gradParamClip(0.01, true)
    for _, i in ipairs {1, 3} do
      local layer = model:get(i)
      local own = math.sqrt(layer.gradWeight:norm() ^ 2 + layer.gradBias:norm() ^ 2)
      assert.is_true(math.abs(own - 0.01) < 1e-5)
    end
  end)

  it('get decay, and momentum', function()
    local model = trained()
    local layer = model:get(1)
    local weight, bias = layer.gradWeight:clone(), layer.gradBias:clone()
    model:weightDecay(0.1)
    close(weight + layer.weight:detach() * 0.1, layer.gradWeight)
    close(bias, layer.gradBias)
    local first = layer.gradWeight:clone()
    model:updateGradParameters(0.9, 0)
    close(first, layer.gradWeight)
    layer.gradWeight:fill(1)
    model:updateGradParameters(0.9, 0)
    close(first * 0.9 + 1, layer.gradWeight)
    close(first * 0.9 + 1, model:momentumGradParameters()[1])
    layer.gradWeight:fill(2)
    model:updateGradParameters(0.5, 0.5, true)
    local average = (first * 0.9 + 1) * 0.5 + 1
    close(average * 0.5 + 2, layer.gradWeight)
  end)

  it('do not pass modules that do not go backward', function()
    local model, x = trained()
    model:get(3):dontBackward()
    for _, copy in ipairs {model, torch.deserialize(torch.serialize(model))} do
      copy:zeroGradParameters()
      local output = copy:forward(x)
      close(model:get(3):forward(model:get(2).output), output)
      local gradient = copy:backward(x, torch.ones(5, 2))
      assert.equal(0, gradient:abs():sum())
      assert.equal(0, copy:get(3).gradWeight:abs():sum() + copy:get(1).gradWeight:abs():sum())
    end
    assert.equal('function', type(rawget(model:get(3), 'updateOutput')))
  end)
end)

describe('parameters', function()
  it('are bounded in norm, by rows and columns', function()
    local layer = nn.Linear(4, 3)
    layer.weight:fill(2)
    layer.bias:fill(9)
    layer:maxParamNorm(1)
    close(torch.Tensor(3, 4):fill(0.5), layer.weight, 1e-4)
    layer:maxParamNorm(nil, 0.5)
    assert.is_true(layer.weight:detach():select(2, 1):norm() < 0.5001)
    assert.equal(27, layer.bias:sum():item())
  end)

  it('are checked for what is no number', function()
    local model = trained()
    model:checkParameters()
    model:get(3).bias[1] = 0 / 0
    fails('nn.Sequential: parameter 4 has elements that are no numbers', model.checkParameters,
      model)
    assert.equal(4, #model:sparseParameters())
  end)

  it('tell the type, and an example the size of what comes out', function()
    local model = trained()
    assert.equal('torch.FloatTensor', model:extrapolateType())
    assert.equal('torch.DoubleTensor', model:clone():double():extrapolateType())
    assert.equal(torch.getdefaulttensortype(), nn.Tanh():extrapolateType())
    assert.same({7, 2}, model:outside({7, 4}):totable())
    assert.same({{7, 4}, {7, 4}}, (function(sizes)
      return {sizes[1]:totable(), sizes[2]:totable()}
    end)(nn.ConcatTable():add(nn.Tanh()):add(nn.Identity()):outside({7, 4})))
  end)
end)

describe('modules', function()
  it('take single examples as batches', function()
    local module = nn.Identity()
    local batch = module:toBatch(torch.randn(3), 1)
    assert.same({1, 3}, batch:size():totable())
    assert.same({3}, module:fromBatch(batch):size():totable())
    batch = module:toBatch(torch.randn(2, 3), 1)
    assert.same({2, 3}, module:fromBatch(batch):size():totable())
  end)

  it('are visited, and timed', function()
    local model, seen = trained(), {}
    model:accept({visit = function(_, module) seen[#seen + 1] = torch.type(module) end})
    assert.same({'nn.Sequential', 'nn.Linear', 'nn.Tanh', 'nn.Linear'}, seen)
    assert.equal('nn.Profile', torch.type(model:profile()))
  end)

  it('tell how much of them goes into files', function()
    local model, x = nn.Sequential(nn.Linear(40, 30), nn.Tanh(), nn.Linear(30, 2)),
      torch.randn(5, 40)
    local output = model:forward(x):clone()
    model:backward(x, torch.ones(5, 2))
    model:updateGradParameters(0.9)
    local function size() return #torch.serialize(model) end
    local heavy = size()
    model:mediumSerial()
    local medium = torch.deserialize(torch.serialize(model))
    assert.is_nil(medium.momGradParams and medium.momGradParams[1])
    close(model:get(1).gradWeight, medium:get(1).gradWeight)
    local medium_size = size()
    model:lightSerial()
    assert.is_true(size() < medium_size and medium_size < heavy)
    assert.is_true(model:get(1).gradWeight:norm() > 0)
    local light = torch.deserialize(torch.serialize(model))
    assert.equal(0, light:get(1).gradWeight:norm())
    assert.is_true(light:get(1).weight.grad == light:get(1).gradWeight)
    close(output, light:forward(x))
    light:backward(x, torch.ones(5, 2))
    assert.is_true(light:get(1).gradWeight:norm() > 0)
    local serial = nn.Serial(model:clone(), 'torch.DoubleTensor'):mediumSerial()
    local copy = torch.deserialize(torch.serialize(serial))
    assert.equal('torch.DoubleTensor', copy:get(1):get(1).weight:type())
    assert.equal('torch.FloatTensor', serial:get(1):get(1).weight:type())
    close(serial:forward(x), copy:forward(x:double()))
    assert.equal('nn.Serial', torch.type(model:Serial()))
    close(output, torch.deserialize(torch.serialize(model:heavySerial())):forward(x))
  end)
end)

-- ---------------------------------------------------------------------------------------------

describe('modules that learn from rewards', function()
  local reward = torch.Tensor{1, -2, 0.5}

  -- The gradient of the input of a module in both protocols, for these rewards.
  local function gradient_of(module, input)
    torch.manualSeed(7)
    local output = module:forward(input)
    module:reinforce(reward)
    local classic = module:backward(input, torch.randn_like(output))
    torch.manualSeed(7)
    local leaf = type(input) == 'table' and {input[1]:clone():requiresGrad(true),
      input[2]:clone():requiresGrad(true)} or input:clone():requiresGrad(true)
    local called = module(leaf)
    close(output, called)
    called:sum():backward()
    if type(leaf) == 'table' then
      close(classic[1], leaf[1].grad)
      close(classic[2], leaf[2].grad)
    else
      close(classic, leaf.grad)
    end
    return classic, output
  end

  local function rows(tensor) return reward:view(3, 1):expandAs(tensor) end

  it('draw 0 and 1', function()
    local p = torch.rand(3, 4):mul(0.8):add(0.1)
    local gradient, x = gradient_of(nn.ReinforceBernoulli(), p)
    assert.equal(12, x:eq(0):long():sum() + x:eq(1):long():sum())
    close(-torch.cmul(rows(p), torch.cdiv(x - p, torch.cmul(p, 1 - p))), gradient, 1e-4)
    local many = nn.ReinforceBernoulli():forward(torch.Tensor(20000):fill(0.3))
    assert.is_true(math.abs(many:mean() - 0.3) < 0.02)
  end)

  it('draw normal numbers', function()
    local mean, stdev = torch.randn(3, 4), torch.rand(3, 4):add(0.5)
    local gradient, x = gradient_of(nn.ReinforceNormal(0.5), mean)
    close(-torch.cmul(rows(x), (x - mean) / 0.25), gradient, 1e-4)
    local both
    both, x = gradient_of(nn.ReinforceNormal(), {mean, stdev})
    local gap = x - mean
    close(-torch.cmul(rows(x), torch.cdiv(gap, torch.pow(stdev, 2))), both[1], 1e-4)
    close(-torch.cmul(rows(x), torch.cdiv(torch.pow(gap, 2) - torch.pow(stdev, 2),
      torch.pow(stdev, 3))), both[2], 1e-4)
    fails('as no stdev was given', function() nn.ReinforceNormal():forward(mean) end)
  end)

  it('draw gamma numbers', function()
    local shape, scale = torch.rand(3, 4):add(1), torch.rand(3, 4):add(0.5)
    local both, x = gradient_of(nn.ReinforceGamma(), {shape, scale})
    assert.is_true(x:min() > 0)
    close(-torch.cmul(rows(x), torch.log(torch.cdiv(x, scale)) - torch.digamma(shape)), both[1],
      1e-4)
    close(-torch.cmul(rows(x), torch.cdiv(x, torch.pow(scale, 2)) - torch.cdiv(shape, scale)),
      both[2], 1e-4)
    gradient_of(nn.ReinforceGamma(2), shape)
    local many = nn.ReinforceGamma(2):forward(torch.Tensor(20000):fill(3))
    assert.is_true(math.abs(many:mean() - 6) < 0.2)
    fails('as no scale was given', function() nn.ReinforceGamma():forward(shape) end)
  end)

  it('draw classes', function()
    local p = torch.softmax(torch.randn(3, 4), 2)
    local gradient, x = gradient_of(nn.ReinforceCategorical(), p)
    close(torch.ones(3, 1), x:sum(2))
    close(-torch.cmul(rows(p), torch.cdiv(x, p)), gradient, 1e-3)
    fails('3 dimensions', function() nn.ReinforceCategorical():forward(torch.rand(2, 2, 2)) end)
  end)

  it('get their rewards through containers, in use give what is expected', function()
    local draw = nn.ReinforceNormal(0.5)
    local model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(draw))
    local x = torch.randn(3, 2)
    model:forward(x)
    fails('the reward is missing', model.backward, model, x, torch.ones(3, 2))
    model:reinforce(reward)
    model:zeroGradParameters()
    local first = model:backward(x, torch.ones(3, 2)):clone()
    local weight = model:get(1).gradWeight:clone()
    close(first, model:backward(x, torch.ones(3, 2), 2), 1e-4)
    close(weight * 3, model:get(1).gradWeight, 1e-4)
    close(reward, draw.rewardInput)
    close(rows(torch.zeros(3, 2)), draw:rewardAs(torch.zeros(3, 2)))
    fails('3 rewards expected, one for each example, got 2', function()
      model:reinforce(torch.ones(2))
      model:backward(x, torch.ones(3, 2))
    end)
    model:evaluate()
    close(model:get(1):forward(x), model:forward(x))
    local always = nn.ReinforceNormal(0.5, true)
    always:evaluate()
    assert.is_true((always:forward(x) - x):abs():max() > 0)
  end)

  it('are rewarded for right classes', function()
    local draw = nn.ReinforceNormal(0.1)
    local scores = torch.Tensor{{1, 5, 2}, {3, 1, 1}, {0, 0, 4}}
    local baseline = torch.Tensor{{0.5}, {0.25}, {0}}
    local target = torch.LongTensor{2, 2, 3}
    local criterion = nn.VRClassReward(draw, 3)
    local loss = criterion:forward({scores, baseline}, target)
    assert.is_true(math.abs(loss - -2) < 1e-6)
    local gradient = criterion:backward({scores, baseline}, target)
    assert.equal(0, gradient[1]:abs():sum())
    close(nn.MSECriterion():backward(baseline, torch.Tensor{{3}, {0}, {3}}), gradient[2])
    close(torch.Tensor{2.5, -0.25, 3} / 3, draw.rewardInput)
    local leaf = baseline:clone():requiresGrad(true)
    criterion({scores, leaf}, target):backward()
    close(gradient[2], leaf.grad)
    local two = nn.BinaryClassReward(draw)
    assert.is_true(math.abs(two:forward({torch.Tensor{0.9, 0.2, 0.7, 0.1}, torch.zeros(4)},
      torch.LongTensor{1, 1, 1, 0}) - -0.75) < 1e-6)
    two:backward({torch.Tensor{0.9, 0.2, 0.7, 0.1}, torch.zeros(4)}, torch.LongTensor{1, 1, 1, 0})
    criterion:double()
    assert.equal(draw, criterion.module)
    fails('a table {scores, baseline}', criterion.forward, criterion, scores, target)
    fails('2 classes', criterion.forward, criterion, {scores, baseline}, torch.LongTensor{1, 2})
    assert.has_error(function() nn.VRClassReward(3) end)
  end)

  it('learn: the mean moves to where the reward is', function()
    torch.manualSeed(3)
    local model = nn.Sequential(nn.Add(1), nn.ReinforceNormal(0.5))
    model:get(1).bias:zero()
    local x = torch.zeros(200, 1)
    for _ = 1, 60 do
      local output = model:forward(x)
      local gains = -torch.pow(output - 2, 2):view(200)
      model:reinforce((gains - gains:mean()) / 200)
      model:zeroGradParameters()
      model:backward(x, x)
      model:updateParameters(0.1)
    end
    assert.is_true(math.abs(model:get(1).bias:detach()[1] - 2) < 0.3)
  end)
end)

describe('many classes', function()
  local tree = {[-1] = {1, 2, 10}, [10] = torch.LongTensor{3, 4, 11}, [11] = {5, 6}}

  it('have probabilities that add up to 1 in a tree, and in a forest', function()
    local x = torch.randn(1, 5)
    local other = {[0] = {1, 20}, [20] = {2, 3, 4, 5, 6}}
    for _, module in ipairs {nn.SoftMaxTree(5, tree),
      nn.SoftMaxForest(5, {tree, other}, {-1, 0}, {4})} do
      local sum = 0
      for class = 1, 6 do
        sum = sum + math.exp(module:forward({x, torch.LongTensor{class}})[1])
      end
      assert.is_true(math.abs(sum - 1) < 1e-5)
    end
  end)

  it('are learned in a tree', function()
    torch.manualSeed(1)
    local model, criterion = nn.SoftMaxTree(5, tree), nn.TreeNLLCriterion()
    local x, target = torch.randn(20, 5), torch.LongTensor(20)
    for i = 1, 20 do target[i] = i % 6 + 1 end
    local first, last
    for _ = 1, 100 do
      last = criterion:forward(model:forward({x, target}), target)
      first = first or last
      model:zeroGradParameters()
      model:backward({x, target}, criterion:backward(model.output, target))
      model:updateParameters(1)
    end
    assert.is_true(last < first / 2)
    fails('target 9 at position 2', model.forward, model, {x:narrow(1, 1, 2),
      torch.LongTensor{1, 9}})
    fails('input has 3 features, expected 5', model.forward, model, {torch.randn(1, 3),
      torch.LongTensor{1}})
    fails('2 targets expected', model.forward, model, {x:narrow(1, 1, 2), torch.LongTensor{1}})
    assert.has_error(function() nn.SoftMaxTree(5, {[3] = {1}}) end)
    assert.has_error(function() nn.SoftMaxTree(5, {[-1] = {1, 2}, [2] = {1}}) end)
  end)

  it('are learned against noise', function()
    torch.manualSeed(1)
    local unigrams = torch.Tensor{4, 1, 1, 1, 1, 2}
    local model = nn.Sequential(nn.NCEModule(6, 6, 10, unigrams, 1))
    local criterion = nn.NCECriterion()
    local x, target = torch.randn(30, 6):mul(0.2), torch.LongTensor(30)
    for i = 1, 30 do
      target[i] = i % 6 + 1
      x[i][i % 6 + 1] = 2
    end
    local nce = model:get(1)
    for _ = 1, 200 do
      local output = model:forward({x, target})
      assert.same({30}, output[1]:size():totable())
      assert.same({30, 10}, output[2]:size():totable())
      criterion:forward(output, target)
      model:zeroGradParameters()
      model:backward({x, target}, criterion:backward(output, target))
      model:updateParameters(0.5)
    end
    model:evaluate()
    local all = model:forward({x, target})
    close(torch.ones(30, 1), all:sum(2), 1e-4)
    local _, best = torch.max(all, 2)
    assert.is_true(best:view(-1):eq(target):long():sum() > 25)
    nce.logsoftmax = true
    close(torch.log(all), model:forward({x, target}), 1e-4)
    local fresh = nn.NCEModule(6, 6, 3)
    fresh:forward({x, target})
    assert.is_true(math.abs(fresh.Z[1] - torch.exp(torch.linear(x, fresh.weight:detach(),
      fresh.bias:detach())):sum() / 30) < 1e-4)
    fails('30 targets expected', fresh.forward, fresh, {x, torch.LongTensor{1}})
    fails('input has 4 features, expected 6', fresh.forward, fresh, {torch.randn(30, 4), target})
    fails('a table of 4 tensors', criterion.forward, criterion, {x}, target)
    assert.has_error(function() nn.NCEModule(6, 6, 3, torch.ones(4)) end)
  end)
end)

describe('images', function()
  it('are cropped anywhere in training, in the middle in use', function()
    local x = torch.range(1, 25):view(1, 5, 5)
    local crop = nn.SpatialUniformCrop(3)
    local seen = {}
    for _ = 1, 200 do seen[crop:forward(x)[1][1][1]] = true end
    local count = 0
    for _ in pairs(seen) do count = count + 1 end
    assert.equal(9, count)
    crop:evaluate()
    assert.equal(7, crop:forward(x)[1][1][1])
    fails('an image of 5x5 is smaller than the part, 9x9', function()
      nn.SpatialUniformCrop(9):forward(x)
    end)
    fails('expected, got 2 dimensions', crop.forward, crop, x[1])
    assert.same({1, 4, 4}, nn.SpatialUniformCrop(4, 4, 2):forward(x):size():totable())
  end)

  it('are seen around a location', function()
    local x = torch.range(1, 49):view(1, 1, 7, 7)
    local glimpse = nn.SpatialGlimpse(3, 2, 2)
    local output = glimpse:forward({x, torch.zeros(1, 2)})
    assert.same({1, 2, 3, 3}, output:size():totable())
    close(x:narrow(3, 3, 3):narrow(4, 3, 3), output:narrow(2, 1, 1))
    output = glimpse:forward({x, torch.Tensor{{-1, 1}}})
    close(torch.Tensor{{0, 0, 0}, {6, 7, 0}, {13, 14, 0}}, output[1][1])
    local gradient = glimpse:backward({x, torch.Tensor{{-1, 1}}}, torch.ones(1, 2, 3, 3))
    assert.equal(0, gradient[2]:abs():sum())
    fails('locations of size 1x2', glimpse.forward, glimpse, {x, torch.zeros(2, 2)})
    assert.has_error(function() nn.SpatialGlimpse(3, 2, 1.5) end)
  end)

  it('lose a region, and get other colours, in training', function()
    local x = torch.ones(8, 2, 10, 10)
    local output = nn.SpatialRegionDropout(0.3):forward(x)
    for i = 1, 8 do assert.equal(2 * 70, output[i]:sum()) end
    local simple = nn.SimpleColorTransform(2, torch.Tensor{0.1, 0.5})
    output = simple:forward(x)
    assert.is_true((output - 1):select(2, 1):abs():max() <= 0.1)
    close(output:narrow(3, 1, 1):narrow(4, 1, 1):expandAs(output), output)
    local pca = nn.PCAColorTransform(2, torch.Tensor{{0, 1}, {1, 0}}, torch.Tensor{5, 0}, 1)
    output = pca:forward(x)
    assert.equal(0, (output - 1):select(2, 1):abs():max())
    assert.is_true((output - 1):select(2, 2):abs():max() > 0)
    simple:evaluate()
    pca:evaluate()
    close(x, simple:forward(x))
    close(x, pca:forward(x))
    fails('input has 2 channels, expected 3', function()
      nn.SimpleColorTransform(3, 1):forward(x)
    end)
  end)

  it('are normalised by given numbers', function()
    local x = torch.ones(2, 2, 2)
    close(torch.Tensor{0.25, 1}:view(2, 1, 1):expand(2, 2, 2),
      nn.SpatialFeatNormalization({0.5, 0}, {2, 1}):forward(x))
  end)

  it('are convolved with signs', function()
    local layer = nn.SpatialBinaryConvolution(1, 1, 2, 1)
    layer.weight:copy(torch.Tensor{0.2, -0.6})
    layer.bias:zero()
    local x = torch.Tensor{{{1, 2, 4}}}
    close(torch.Tensor{{{-0.4, -0.8}}}, layer:forward(x))
    layer:zeroGradParameters()
    layer:backward(x, torch.ones(1, 1, 2))
    -- The mean of |w| and the signs: (0.4 s), with the slope 1 for the signs.
    close(torch.Tensor{{{{0.4 * 3 + 0.5 * (3 - 6), 0.4 * 6 - 0.5 * (3 - 6)}}}}, layer.gradWeight)
  end)

  it('go through the modules of SqueezeNet and GoogLeNet', function()
    local fire = nn.FireModule(4, 2, 3, 5)
    assert.same({2, 8, 6, 6}, fire:forward(torch.randn(2, 4, 6, 6)):size():totable())
    assert.same({8, 6, 6}, fire:forward(torch.randn(4, 6, 6)):size():totable())
    assert.matches('4 %-> 2 %-> 3%(1x1%)', tostring(fire))
    local inception = nn.Inception{inputSize = 4, outputSize = {3, 2}, reduceSize = {2, 2, 1, 5},
      batchNorm = true}
    assert.same({2, 3 + 2 + 1 + 5, 6, 6},
      inception:forward(torch.randn(2, 4, 6, 6)):size():totable())
    assert.has_error(function() nn.Inception{inputSize = 4} end)
    assert.has_error(function() nn.FireModule(4, 2, 3, 5, 'NoSuchThing') end)
  end)
end)

describe('other layers of dpnn', function()
  it('find the greatest element', function()
    local x = torch.Tensor{{1, 7, 3}, {9, 2, 4}}
    assert.same({2, 1}, nn.ArgMax(1, 1):forward(x):totable())
    assert.same({2, 1, 2}, nn.ArgMax(1):forward(x):totable())
    assert.equal('torch.LongTensor', nn.ArgMax(1):forward(x):type())
    assert.equal('torch.FloatTensor', nn.ArgMax(1, 1, false):forward(x):type())
    assert.equal(0, nn.ArgMax(1, 1, false):backward(x, torch.ones(2)):abs():sum())
    fails('at least 2 dimensions', function() nn.ArgMax(2):forward(torch.randn(3)) end)
  end)

  it('make probabilities more even', function()
    local p = torch.softmax(torch.randn(4, 3):double(), 2)
    local module, dy = nn.CategoricalEntropy(0.5):double(), torch.randn(4, 3):double()
    close(p, module:forward(p))
    local leaf = p:clone():requiresGrad(true)
    local mean = torch.mean(leaf, 1)
    local entropy = -torch.cmul(mean, torch.log(mean)):sum();
    (torch.cmul(leaf, dy):sum() - entropy * 0.5):backward()
    close(leaf.grad, module:backward(p, dy), 1e-6)
    assert.is_true(math.abs(module.entropy - entropy:item()) < 1e-5)
    local content = nn.CategoricalEntropy(0.5, 0.01):double()
    content:forward(p)
    close(dy, content:backward(p, dy))
    fails('2 dimensions, expected, got 1', module.forward, module, p[1])
  end)

  it('drop everything or nothing', function()
    local module, x = nn.TotalDropout(0.5), torch.ones(10)
    local sums = {}
    for _ = 1, 100 do sums[module:forward(x):sum()] = true end
    assert.same({[0] = true, [10] = true}, sums)
    module:evaluate()
    assert.equal(10, module:forward(x):sum())
    assert.has_error(function() nn.TotalDropout(1) end)
    assert.has_error(function() nn.Clip(2, 1) end)
  end)

  it('compare scores and signs', function()
    local criterion = nn.BinaryLogisticRegression()
    local x, t = torch.Tensor{{2}, {-1}}, torch.Tensor{1, 1}
    assert.is_true(math.abs(criterion:forward(x, t)
      - (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1))) / 2) < 1e-5)
    fails('a target for each of 2 scores expected, got 3', criterion.forward, criterion, x,
      torch.ones(3))
    fails('%(batch, 1, height, width%) expected, got %[2x1%]', function()
      nn.SpatialBinaryLogisticRegression():forward(x, t)
    end)
  end)
end)
