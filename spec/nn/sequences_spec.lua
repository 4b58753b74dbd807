-- What recurrent layers take, remember and refuse.
local torch, nn = require 'torch', require 'nn'
local tensors = require 'spec.support.tensors'

local same = tensors.assert_same

local function fails(pattern, f, ...)
  local arguments, count = {...}, select('#', ...)
  assert.error_matches(function() f((table.unpack or unpack)(arguments, 1, count)) end, pattern)
end

before_each(function() torch.manualSeed(1) end)

describe('stacked layers', function()
  local function two_parts(layers, x)
    local all = layers{x}
    local first = layers{x:narrow(1, 1, 2)}
    local second = layers{x:narrow(1, 3, 3), first[2]}
    same(all[1], torch.cat({first[1], second[1]}, 1), 1e-6)
    return all[2], second[2]
  end

  it('go on from the state of the part before', function()
    local x = torch.randn(5, 2, 3)
    local all, parts = two_parts(nn.StackedLSTM(3, 4, {layers = 2}), x)
    same(all[1], parts[1], 1e-6)
    same(all[2], parts[2], 1e-6)
    assert.same({2, 2, 4}, all[2]:size():totable())
    all, parts = two_parts(nn.StackedGRU(3, 4), x)
    same(all, parts, 1e-6)
    all, parts = two_parts(nn.StackedRNN(3, 4, {layers = 3, nonlinearity = 'relu'}), x)
    same(all, parts, 1e-6)
    all, parts = two_parts(nn.StackedLSTM(3, 4, {proj = 2}), x)
    same(all[1], parts[1], 1e-6)
    assert.same({1, 2, 2}, all[1]:size():totable())
  end)

  it('give the same by way of the rows of a table', function()
    local rows, tokens = torch.randn(4, 3):requiresGrad(), torch.LongTensor(5, 6):random(1, 4)
    for name, options in pairs {StackedLSTM = {layers = 2}, StackedGRU = {batch_first = true},
        StackedRNN = {bidirectional = true, layers = 2}} do
      local layers = nn[name](3, 7, options)
      local function result(y)
        layers:zeroGradParameters()
        rows.grad = nil
        torch.cmul(y, y):sum():backward()
        local _, gradients = layers:getParameters()
        return y:detach():clone(), gradients:clone(), rows.grad:clone()
      end
      local wanted = {result(layers(torch.index(rows, 1, tokens:view(30)):view(5, 6, 3)))}
      local got = {result(layers:ofRows(rows, tokens))}
      for k = 1, 3 do same(wanted[k], got[k], 1e-4) end
    end
    local layers = nn.StackedLSTM(3, 4)
    assert.is_nil(layers:ofRows(rows, torch.LongTensor {{1, 5}}))
    assert.is_nil(layers:ofRows(rows, torch.LongTensor {{0, 1}}))
    assert.is_nil(layers:ofRows(rows, torch.LongTensor {1}))
    assert.is_nil(nn.StackedLSTM(3, 4, {proj = 2}):ofRows(rows, tokens))
  end)

  it('give the output alone for a tensor, and the state too for a table', function()
    local layers, x = nn.StackedLSTM(3, 4, {bidirectional = true}), torch.randn(5, 2, 3)
    local y, out = layers(x), layers{x}
    same(y, out[1])
    assert.same({5, 2, 8}, y:size():totable())
    same(y[{5, {}, {1, 4}}], out[2][1][1], 1e-6)
    same(y[{1, {}, {5, 8}}], out[2][1][2], 1e-6)
  end)

  it('take lengths in any of the forms', function()
    local layers, x = nn.StackedGRU(3, 4), torch.randn(5, 3, 3)
    local out = layers{x, nil, torch.LongTensor{2, 5, 1}}
    same(out[1], layers{x, lengths = {2, 5, 1}}[1])
    same(out[1], layers{x, {}, {2, 5, 1}}[1])
    assert.equal(0, torch.abs(out[1][{{3, 5}, 1}]):sum():item())
    same(out[1][{2, 1}], out[2][{1, 1}])
    same(layers(x:narrow(1, 1, 2):narrow(2, 1, 1)), out[1]:narrow(1, 1, 2):narrow(2, 1, 1), 1e-6)
  end)

  it('take a single sequence', function()
    local layers, x = nn.StackedLSTM(3, 4, {layers = 2}), torch.randn(5, 3)
    local out = layers{x}
    assert.same({5, 4}, out[1]:size():totable())
    assert.same({2, 4}, out[2][1]:size():totable())
    same(layers(x:unsqueeze(2)):squeeze(2), out[1])
    assert.same({5, 4}, layers{x, out[2]}[1]:size():totable())
  end)

  it('drop between layers in training only', function()
    local layers, x = nn.StackedLSTM(3, 4, {layers = 2, dropout = 0.5}), torch.randn(5, 2, 3)
    assert.is_false(torch.equal(layers:forward(x):clone(), layers:forward(x)))
    layers:evaluate()
    same(layers:forward(x):clone(), layers:forward(x))
  end)

  it('name their parameters as PyTorch does', function()
    local layers = nn.StackedLSTM(3, 4, {layers = 2, bidirectional = true, proj = 2})
    assert.same({8 * 2, 4}, layers.weight_ih_l1_reverse:size():totable())
    assert.same({2, 4}, layers.weight_hr_l0:size():totable())
    assert.same({16}, layers.bias_hh_l0:size():totable())
    assert.equal(20, #layers:parameters())
  end)

  it('say what does not fit', function()
    local layers, x = nn.StackedLSTM(3, 4), torch.randn(5, 2, 3)
    fails('nn.StackedLSTM: input has 2 features, expected 3', layers, torch.randn(5, 2, 2))
    fails('time x batch x features expected, got 5', layers, torch.randn(5))
    fails('state h of 1x2x4 expected, got 1x1x4', layers,
      {x, {torch.zeros(1, 1, 4), torch.zeros(1, 1, 4)}})
    fails('a state of {h, c} expected, got 1 tensors', layers, {x, {torch.zeros(1, 2, 4)}})
    fails('2 lengths expected, got 1', layers, {x, nil, {3}})
    fails('between 1 and 5 expected, got 0 to 6', layers, {x, nil, {0, 6}})
    fails('a step and a sequence expected, got 5 steps of 0', layers, torch.zeros(5, 0, 3))
    fails('unknown option layer', nn.StackedGRU, 3, 4, {layer = 2})
    fails('option layers: a number expected, got two', nn.StackedGRU, 3, 4, {layers = 'two'})
    fails('unknown option proj', nn.StackedGRU, 3, 4, {proj = 2})
    fails("'tanh' or 'relu' expected, got 'elu'", nn.StackedRNN, 3, 4, {nonlinearity = 'elu'})
    fails('sizes of 1 or more expected, got 3 and nil', nn.StackedRNN, 3)
    fails('proj below 4', nn.StackedLSTM, 3, 4, {proj = 4})
  end)
end)

describe("rnn's layers over sequences", function()
  it('forget at first, and remember when asked to', function()
    for _, layer in ipairs {nn.SeqLSTM(3, 4), nn.SeqGRU(3, 4), nn.SeqLSTMP(3, 4, 2)} do
      local x = torch.randn(5, 2, 3)
      local all = layer:forward(x):clone()
      layer:forward(x:narrow(1, 1, 2))
      assert.is_false(torch.equal(all[{{3, 5}}], layer:forward(x:narrow(1, 3, 3))))
      layer:remember('both')
      layer:forward(x:narrow(1, 1, 2))
      same(all[{{3, 5}}], layer:forward(x:narrow(1, 3, 3)), 1e-6)
      layer:forget()
      same(all, layer:forward(x), 1e-6)
    end
  end)

  it('remember in training, in use, or in both', function()
    local layer, x = nn.SeqLSTM(3, 4), torch.randn(5, 2, 3)
    local fresh = layer:forward(x):clone()
    local function remembers()
      layer:forget()
      layer:forward(x)
      return not torch.equal(fresh, layer:forward(x))
    end
    for when, expected in pairs {both = {true, true}, train = {true, false}, eval = {false, true},
      neither = {false, false}} do
      layer:remember(when)
      layer:training()
      assert.equal(expected[1], remembers(), when)
      layer:evaluate()
      assert.equal(expected[2], remembers(), when)
    end
    fails('remember both, eval, train or neither', layer.remember, layer, 'always')
  end)

  it('forget where training begins or ends', function()
    local layer, x = nn.SeqLSTM(3, 4):remember(), torch.randn(5, 2, 3)
    local fresh = layer:forward(x):clone()
    layer:evaluate()
    same(fresh, layer:forward(x))
    layer:training()
    same(fresh, layer:forward(x))
    assert.is_false(torch.equal(fresh, layer:forward(x)))
  end)

  it('begin with the state that the user gives', function()
    local layer, x = nn.SeqLSTM(3, 4), torch.randn(5, 2, 3)
    local before = layer:forward(x):clone()
    layer.userPrevOutput, layer.userPrevCell = torch.randn(2, 4), torch.randn(2, 4)
    assert.is_false(torch.equal(before, layer:forward(x)))
    layer.userPrevOutput, layer.userPrevCell = torch.zeros(2, 4), torch.zeros(2, 4)
    same(before, layer:forward(x))
    layer.userPrevCell = torch.zeros(3, 4)
    fails('a state of 2x4 expected, got 3x4', layer.forward, layer, x)
  end)

  it('begin anew after a step without input, with maskzero', function()
    for _, layer in ipairs {nn.SeqLSTM(3, 4), nn.SeqGRU(3, 4)} do
      local x = torch.randn(5, 2, 3)
      x[{3, 1}] = 0
      layer.maskzero = true
      local y = layer:forward(x):clone()
      assert.equal(0, torch.abs(y[{3, 1}]):sum())
      assert.is_true(torch.abs(y[{3, 2}]):sum() > 0)
      layer.maskzero = false
      same(layer:forward(x):select(2, 2), y:select(2, 2), 1e-6)
      same(layer:forward(x[{{4, 5}, {1}}]), y[{{4, 5}, {1}}], 1e-6)
      layer:double().maskzero = true
      local wide = x:double()
      assert.is_true(nn.Jacobian.testJacobianParameters(layer, wide, layer.weight,
        layer.gradWeight) < 1e-6)
      wide[{3, 1}] = 0
      layer:forward(wide)
      local dx = layer:backward(wide, torch.ones(5, 2, 4):double())
      assert.equal(0, torch.abs(dx[{3, 1}]):sum())
      assert.is_true(torch.abs(dx[{2, 1}]):sum() > 0)
    end
  end)

  it('draw their parameters as rnn does', function()
    local layer = nn.SeqLSTM(30, 40)
    assert.same({70, 160}, layer.weight:size():totable())
    assert.near(1 / math.sqrt(70), layer.weight:std():item(), 0.01)
    assert.equal(40, layer.bias:sum():item())
    assert.equal(1, layer.bias:detach()[41])
    layer = nn.SeqGRU(30, 40)
    assert.same({70, 120}, layer.weight:size():totable())
    assert.equal(0, layer.bias:sum():item())
    assert.same({40, 8}, nn.SeqLSTM(30, 40, 8).weightO:size():totable())
  end)

  it('read both ways', function()
    local both, x = nn.SeqBRNN(3, 4), torch.randn(5, 2, 3)
    local y = both:forward(x)
    local ahead, back = both.modules[1]:forward(x), both.modules[2]:forward(torch.flip(x, 1))
    same(ahead + torch.flip(back, 1), y, 1e-6)
    both = nn.SeqBRNN(3, 4, true, nn.JoinTable(3))
    assert.same({2, 5, 8}, both:forward(x:transpose(1, 2)):size():totable())
  end)

  it('say what does not fit', function()
    local layer = nn.SeqLSTM(3, 4)
    fails('nn.SeqLSTM: input has 2 features, expected 3', layer.forward, layer,
      torch.randn(5, 2, 2))
    fails('time x batch x features expected, got 5', layer.forward, layer, torch.randn(5))
    layer:remember('both'):forward(torch.randn(5, 2, 3))
    fails('a state of 3x4 expected, got 2x4: forget%(%) before', layer.forward, layer,
      torch.randn(5, 3, 3))
    fails('inputsize, hiddensize and outputsize', nn.SeqLSTMP, 3, 4)
    fails('a size of 1 or more expected, got 0', nn.SeqGRU, 3, 0)
  end)

  it('show their sizes', function()
    assert.equal('nn.SeqLSTM(3 -> 4)', tostring(nn.SeqLSTM(3, 4)))
    assert.equal('nn.SeqLSTMP(3 -> 4 -> 2)', tostring(nn.SeqLSTMP(3, 4, 2)))
    assert.equal('nn.StackedLSTM(3 -> 4, 2 layers, bidirectional)',
      tostring(nn.StackedLSTM(3, 4, {layers = 2, bidirectional = true})))
  end)
end)
