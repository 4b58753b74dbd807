-- Recurrent modules step by step, their memory, and the package rnn.
local torch, nn = require 'torch', require 'nn'
local rnn = require 'rnn'

local T, B, D, H = 4, 3, 5, 2

local function close(a, b, tolerance)
  a, b = a:detach():double(), b:detach():double()
  assert.same(a:size():totable(), b:size():totable())
  assert.is_true((a - b):abs():max() <= (tolerance or 1e-10))
end

local function fails(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

-- A tape holds functions, and these hold gradients: it takes some rounds to collect them all.
local function storages()
  for _ = 1, 5 do collectgarbage() end
  return torch.memory().storages
end

local function series(size)
  local list = {}
  for t = 1, T do list[t] = torch.randn(B, size):double() end
  return list
end

-- y = tanh(a x + b y'), without the classes of tables.
local Elman, Container = torch.class('rnn_spec.Elman', 'nn.Container', {})
function Elman:__init()
  Container.__init(self)
  self:add(nn.Linear(D, H)):add(nn.Linear(H, H))
end
function Elman:updateOutput(input)
  return torch.tanh(self.modules[1](input[1]) + self.modules[2](input[2]))
end

local cells = {
  LSTM = function() return nn.LSTM(D, H) end,
  FastLSTM = function() return nn.FastLSTM(D, H) end,
  GRU = function() return nn.GRU(D, H) end,
  MuFuRu = function() return nn.MuFuRu(D, H, {'keep', 'replace', 'mul', 'max'}) end,
  Recurrent = function() return nn.Recurrent(H, nn.Linear(D, H), nn.Linear(H, H)) end,
  Recurrence = function() return nn.Recurrence(Elman.new(), H, 1) end,
  Recursor = function()
    return nn.Recursor(nn.Sequential(nn.Linear(D, 3), nn.FastLSTM(3, 4), nn.Linear(4, H),
      nn.GRU(H, H)))
  end,
  NormStabilizer = function()
    return nn.Recursor(nn.Sequential(nn.GRU(D, H), nn.NormStabilizer(0.5)))
  end,
}

-- What one graph of calls gives: outputs, gradients of the inputs and of the parameters.
local function by_calls(module, xs, dys)
  module:forget()
  module:zeroGradParameters()
  local ys, dxs, loss = {}, {}, nil
  for t, x in ipairs(xs) do
    dxs[t] = x:clone():requiresGrad(true)
    local y = module(dxs[t])
    ys[t] = y:detach():clone()
    loss = loss and loss + torch.cmul(y, dys[t]):sum() or torch.cmul(y, dys[t]):sum()
  end
  loss:backward()
  local kept = {}
  for i, gradient in ipairs((select(2, module:parameters()))) do kept[i] = gradient:clone() end
  for t in ipairs(xs) do dxs[t] = dxs[t].grad end
  module:forget()
  module:zeroGradParameters()
  return ys, dxs, kept
end

local function check_gradients(module, wanted, factor)
  for i, gradient in ipairs((select(2, module:parameters()))) do
    close(wanted[i], gradient / (factor or 1))
  end
end

for name, make in pairs(cells) do
  describe('nn.' .. name .. ' step by step', function()
    local module, xs, dys, ys, dxs, gradients
    before_each(function()
      torch.manualSeed(4)
      module, xs, dys = make():double(), series(D), series(H)
      ys, dxs, gradients = by_calls(module, xs, dys)
    end)

    it('goes forward and back through time', function()
      for t = 1, T do close(ys[t], module:forward(xs[t])) end
      for t = T, 1, -1 do
        local dx = module:backward(xs[t], dys[t])
        close(dxs[t], dx)
        assert.is_true(dx == module.gradInput)
      end
      check_gradients(module, gradients)
      for t = 1, T do close(ys[t], module.outputs[t]) end
    end)

    it('goes back in two halves, scaled', function()
      for t = 1, T do close(ys[t], module:updateOutput(xs[t])) end
      for t = T, 1, -1 do close(dxs[t], module:updateGradInput(xs[t], dys[t])) end
      for t = T, 1, -1 do module:accGradParameters(xs[t], dys[t], 0.5) end
      check_gradients(module, gradients, 0.5)
      module:zeroGradParameters()
      module:forget()
      for t = 1, T do module:forward(xs[t]) end
      for t = T, 1, -1 do close(dxs[t], module:backward(xs[t], dys[t], 2)) end
      check_gradients(module, gradients, 2)
    end)

    it('gives the same in a Sequencer, and without recording', function()
      local sequencer = nn.Sequencer(module)
      local output = sequencer:forward(xs)
      local gradient = sequencer:backward(xs, dys)
      for t = 1, T do
        close(ys[t], output[t])
        close(dxs[t], gradient[t])
      end
      check_gradients(module, gradients)
      module:forget()
      torch.no_grad(function()
        for t = 1, T do close(ys[t], module(xs[t])) end
        module:forget()
        for t = 1, T do close(ys[t], module:forward(xs[t])) end
        for t = T, 1, -1 do close(dxs[t], module:backward(xs[t], dys[t])) end
      end)
    end)

    it('is cloned and saved without its history', function()
      for t = 1, 2 do module:forward(xs[t]) end
      local inside = nn.Sequential(module)
      for _, copy in ipairs {module:clone(), inside:clone():get(1),
        torch.deserialize(torch.serialize(module)),
        torch.deserialize(torch.serialize(inside)):get(1)} do
        close(ys[1], copy:forward(xs[1]))
        assert.equal(2, copy.step)
        close(ys[2], copy:forward(xs[2]))
        copy:backward(xs[2], dys[2])
      end
      close(ys[3], module:forward(xs[3]))
      module:clearState()
      close(ys[1], module:forward(xs[1]))
      assert.equal('torch.FloatTensor', module:float():forward(xs[1]:float()):type())
    end)
  end)
end

describe('recurrent modules', function()
  local module, xs, dys
  before_each(function()
    torch.manualSeed(4)
    module, xs, dys = nn.FastLSTM(D, H):double(), series(D), series(H)
  end)

  it('count their steps, and say when backward goes too far', function()
    fails('nn.FastLSTM: backward for each forward', module.backward, module, xs[1], dys[1])
    for t = 1, T do module:forward(xs[t]) end
    assert.equal(T + 1, module.step)
    for t = T, 1, -1 do module:backward(xs[t], dys[t]) end
    fails('4 steps can go back', module.backward, module, xs[1], dys[1])
    module:forget()
    assert.equal(1, module.step)
    module:maxBPTTstep(2)
    assert.equal(2, module.rho)
    for t = 1, T do module:forward(xs[t]) end
    module:backward(xs[4], dys[4])
    module:backward(xs[3], dys[3])
    fails('2 steps can go back', module.backward, module, xs[2], dys[2])
    assert.is_nil(module.outputs[1])
  end)

  it('say what is wrong with an input', function()
    fails('nn.FastLSTM: input has 7 features, expected 5', module.forward, module,
      torch.randn(3, 7):double())
    local ok, message = pcall(function() module:forward(torch.randn(3, 7):double()) end)
    assert.is_false(ok)
    assert.matches('^spec/nn/rnn_spec.lua:%d+: nn.FastLSTM: ', message)
    module:forward(xs[1])
    ok, message = pcall(function() module:backward(xs[1], 3) end)
    assert.is_false(ok)
    assert.matches('^spec/nn/rnn_spec.lua:%d+: nn.FastLSTM: backward', message)
    module:forget()
    fails('got 3 dimensions', module.forward, module, torch.randn(3, 7, 5):double())
    fails('nn.Sequencer: .*an empty table', function() nn.Sequencer(module):forward({}) end)
    fails('nn.Sequencer {1} nn.FastLSTM: input has 7', function()
      nn.Sequencer(module):forward({xs[1], torch.randn(3, 7):double()})
    end)
    assert.has_error(function() nn.LSTM(2, 2, 0) end)
    assert.has_error(function() nn.GRU(2, 2, 5, 1) end)
    assert.has_error(function() nn.MuFuRu(2, 2, {'twist'}) end)
    assert.has_error(function() nn.Recurrence(nn.Identity(), 3) end)
    assert.has_error(function() nn.Sequencer(3) end)
    assert.has_error(function() nn.SequencerCriterion(nn.Identity()) end)
    -- After an error the module is as before it.
    module:forget()
    module:forward(xs[1])
    module:backward(xs[1], dys[1])
  end)

  it('keep only the last step in use', function()
    module:evaluate()
    local outputs
    for t = 1, T do outputs = module:forward(xs[t]):clone() end
    assert.is_nil(module.outputs[1])
    local wanted = by_calls(module, xs, dys)
    close(wanted[T], outputs)
    module:forward(xs[1])
    module:training()
    assert.equal(1, module.step)
  end)

  it('hold no memory over a loop of steps in use, nor of sequences', function()
    local sequencer = nn.Sequencer(nn.FastLSTM(D, H):double()):remember('both')
    local model = nn.Sequential(nn.Linear(D, D), nn.GRU(D, H)):double()
    model:evaluate()
    module:evaluate()
    local function run()
      module:forward(xs[1])
      model:forward(xs[1])
      sequencer:forward(xs)
      sequencer:backward(xs, dys)
      sequencer(xs)
      return storages()
    end
    for _ = 1, 3 do run() end
    local before = run()
    for _ = 1, 10 do run() end
    assert.is_true(run() <= before)
    model, module, sequencer = nil, nil, nil -- luacheck: ignore
  end)

  it('are freed with their tapes', function()
    local before = storages()
    for _ = 1, 3 do
      local one = nn.Recursor(nn.Sequential(nn.LSTM(D, H), nn.GRU(H, H))):double()
      for t = 1, T do one:forward(xs[t]) end
      for t = T, 1, -1 do one:backward(xs[t], dys[t]) end
    end
    assert.is_true(storages() <= before)
  end)

  it('remember when they are told to', function()
    local sequencer = nn.Sequencer(module)
    local whole = {}
    for t, y in ipairs(sequencer:forward(xs)) do whole[t] = y:clone() end
    local first, second = {xs[1], xs[2]}, {xs[3], xs[4]}
    sequencer:remember('both')
    sequencer:forget()
    sequencer:forward(first)
    close(whole[4], sequencer:forward(second)[2])
    sequencer:backward(second, {dys[3], dys[4]})
    sequencer:forget()
    sequencer:forward(first)
    -- Calls do so, too; loss:backward() ends where the sequence begins.
    for _ = 1, 2 do sequencer(second)[2]:sum():backward() end
    sequencer:forget()
    sequencer(first)
    close(whole[4], sequencer(second)[2])
    sequencer:remember('eval'):forget()
    sequencer:forward(first)
    assert.is_true((whole[4] - sequencer:forward(second)[2]):abs():max() > 1e-3)
    sequencer:evaluate()
    sequencer:forward(first)
    close(whole[4], sequencer:forward(second)[2])
    sequencer:remember('neither')
    sequencer:forward(first)
    assert.is_true((whole[4] - sequencer:forward(second)[2]):abs():max() > 1e-3)
    fails("'both', 'eval'", sequencer.remember, sequencer, 'always')
    local model = nn.Sequential(nn.Identity(), nn.Sequencer(nn.GRU(D, H)))
    model:remember('train')
    assert.equal('train', model:get(2)._remember)
    model:forget()
  end)

  it('work in containers that were written for Torch7', function()
    local Chain, Old = torch.class('rnn_spec.OldChain', 'nn.Container', {})
    function Chain:__init() Old.__init(self) end
    function Chain:updateOutput(input)
      self.output = self.modules[1]:updateOutput(input)
      return self.output
    end
    function Chain:updateGradInput(input, dy)
      self.gradInput = self.modules[1]:updateGradInput(input, dy)
      return self.gradInput
    end
    function Chain:accGradParameters(input, dy, scale)
      self.modules[1]:accGradParameters(input, dy, scale)
    end
    local ys, dxs, gradients = by_calls(module, xs, dys)
    local chain = Chain.new():add(module)
    for t = 1, T do close(ys[t], chain:forward(xs[t])) end
    for t = T, 1, -1 do close(dxs[t], chain:backward(xs[t], dys[t])) end
    check_gradients(module, gradients)
  end)

  it('take cells that have a gradient of their own', function()
    local Old = torch.class('rnn_spec.OldSum', 'nn.Module', {})
    function Old:updateOutput(input) return torch.tanh(input[1] + input[2] * 0.5) end
    function Old:updateGradInput(input, dy)
      local y = self:updateOutput(input)
      local d = torch.cmul(dy, 1 - torch.pow(y, 2))
      return {d, d * 0.5}
    end
    local Fresh = torch.class('rnn_spec.NewSum', 'nn.Module', {})
    Fresh.updateOutput = Old.updateOutput
    local wide = series(D)
    local ys, dxs = by_calls(nn.Recurrence(Fresh.new(), D, 1), xs, wide)
    local old = nn.Recurrence(Old.new(), D, 1)
    for t = 1, T do close(ys[t], old:forward(xs[t])) end
    for t = T, 1, -1 do close(dxs[t], old:backward(xs[t], wide[t])) end
  end)

  it('may have another cell, as classes that derive from them bring along', function()
    local Mine = torch.class('rnn_spec.MyGRU', 'nn.GRU', {})
    function Mine:buildModel() -- luacheck: ignore
      return Elman.new()
    end
    local mine = Mine.new(D, H):double()
    local ys, dxs = by_calls(mine, xs, dys)
    close(torch.tanh(mine.recurrentModule:get(1)(xs[1])
      + mine.recurrentModule:get(2)(torch.zeros(B, H):double())), ys[1])
    for t = 1, T do mine:forward(xs[t]) end
    for t = T, 1, -1 do close(dxs[t], mine:backward(xs[t], dys[t])) end
    assert.equal(4, #(mine:parameters()))
  end)

  it('read indices: the state is of the type of the parameters', function()
    local words = nn.Sequential(nn.ParallelTable():add(nn.LookupTable(9, H)):add(nn.Linear(H, H)),
      nn.CAddTable(), nn.Tanh())
    local model = nn.Sequencer(nn.Recurrence(words, H, 0)):double()
    local x = torch.LongTensor{{1, 2, 3}, {9, 8, 7}}
    assert.same({2, 3, H}, model:forward(x):size():totable())
    assert.equal('torch.DoubleTensor', model.output:type())
    model:backward(x, torch.randn(2, 3, H):double())
  end)

  it('normalise gates with FastLSTM.bn', function()
    nn.FastLSTM.bn = true
    local lstm = nn.FastLSTM(D, H):double()
    nn.FastLSTM.bn = false
    assert.equal(3 + 6, #(lstm:parameters()))
    local ys, dxs, gradients = by_calls(lstm, xs, dys)
    for t = 1, T do close(ys[t], lstm:forward(xs[t]), 1e-6) end
    for t = T, 1, -1 do close(dxs[t], lstm:backward(xs[t], dys[t]), 1e-6) end
    for i, gradient in ipairs((select(2, lstm:parameters()))) do
      close(gradients[i], gradient, 1e-6)
    end
    lstm:forget()
    fails('needs a batch', lstm.forward, lstm, xs[1][1])
  end)

  it('drop the same elements for a whole sequence with mono', function()
    local gru = nn.GRU(D, H, nil, 0.5, true):double()
    gru:forward(xs[1])
    local memory = require 'nn.recurrent.memory'
    local first = memory.of(gru).masks['input1']
    gru:forward(xs[2])
    assert.is_true(first == memory.of(gru).masks['input1'])
    gru:forget()
    assert.is_nil(memory.of(gru).masks['input1'])
    gru:evaluate()
    close(gru:forward(xs[1]), nn.GRU.forward(gru:clone(), xs[1]))
  end)

  it('go on in another type, or begin anew when they are converted themselves', function()
    local model = nn.Sequential(nn.Sequential(module))
    model:forward(xs[1])
    local second = model:forward(xs[2]):clone()
    model:forget()
    model:forward(xs[1])
    local weights = module.i2g
    for _, layer in ipairs {module.i2g, module.o2g} do layer:float() end
    close(second, model:forward(xs[2]:float()), 1e-5)
    assert.equal('torch.FloatTensor', weights.weight:type())
    model:double()
    assert.equal(1, module.step)
  end)

  it('zero what is padding, and go on anew behind it', function()
    module:maskZero(1)
    xs[2][1]:zero()
    module:forward(xs[1])
    local y = module:forward(xs[2])
    assert.equal(0, y[1]:abs():sum())
    assert.is_true(y[2]:abs():sum() > 0)
    local third = module:forward(xs[3]):clone()
    module:forget()
    close(module:forward(xs[3])[1], third[1])
  end)

  it('make an earlier output the current one', function()
    for t = 1, T do module:forward(xs[t]) end
    module:setOutputStep(2)
    assert.is_true(module.output == module.outputs[2])
    fails('no output of step 9', module.setOutputStep, module, 9)
    assert.equal(module, module:recycle())
    assert.equal(module, module:stepClone())
    assert.is_true(nn.Linear(2, 2):stepClone().weight:storage() ~= nil)
  end)
end)

describe('states', function()
  local encoder, decoder, xs, zs, dys, wanted, gradients
  before_each(function()
    torch.manualSeed(4)
    encoder, decoder = nn.LSTM(D, H):double(), nn.LSTM(D, H):double()
    xs, zs, dys = series(D), series(D), series(H)
    -- One graph: the state of the decoder begins as that of the encoder ends.
    local loss
    for t = 1, T do encoder(xs[t]) end
    decoder:setHiddenState(0, encoder:getHiddenState())
    wanted = {}
    for t = 1, T do
      local y = decoder(zs[t])
      wanted[t] = y:detach():clone()
      loss = loss and loss + torch.cmul(y, dys[t]):sum() or torch.cmul(y, dys[t]):sum()
    end
    loss:backward()
    gradients = {}
    for _, module in ipairs {encoder, decoder} do
      for _, gradient in ipairs((select(2, module:parameters()))) do
        gradients[#gradients + 1] = gradient:clone()
      end
      module:forget()
      module:zeroGradParameters()
    end
    decoder:setHiddenState(0, nil)
  end)

  local function check()
    local k = 0
    for _, module in ipairs {encoder, decoder} do
      for _, gradient in ipairs((select(2, module:parameters()))) do
        k = k + 1
        close(gradients[k], gradient)
      end
    end
  end

  it('are carried from one module to another, step by step', function()
    for t = 1, T do encoder:forward(xs[t]) end
    decoder:setHiddenState(0, encoder:getHiddenState(T))
    for t = 1, T do close(wanted[t], decoder:forward(zs[t])) end
    for t = T, 1, -1 do decoder:backward(zs[t], dys[t]) end
    encoder:setGradHiddenState(T, decoder:getGradHiddenState(0))
    for t = T, 1, -1 do encoder:backward(xs[t], dys[t] * 0) end
    check()
  end)

  it('are carried from one Sequencer to another', function()
    local first, second = nn.Sequential(nn.Sequencer(encoder)), nn.Sequencer(decoder)
    for _ = 1, 2 do
      first:zeroGradParameters()
      second:zeroGradParameters()
      first:forward(xs)
      decoder:setHiddenState(0, encoder:getHiddenState(T))
      local output = second:forward(zs)
      for t = 1, T do close(wanted[t], output[t]) end
      second:backward(zs, dys)
      encoder:setGradHiddenState(T, decoder:getGradHiddenState(0))
      local zeros = {}
      for t = 1, T do zeros[t] = dys[t] * 0 end
      first:backward(xs, zeros)
      check()
      decoder:forget() -- step 0 again
    end
  end)

  it('are carried by fields, as programs for Torch7 do it', function()
    local first, second = nn.Sequencer(encoder), nn.Sequencer(decoder)
    for round = 1, 2 do
      first:zeroGradParameters()
      second:zeroGradParameters()
      first:forward(xs)
      decoder.userPrevOutput = nn.rnn.recursiveCopy(decoder.userPrevOutput, encoder.outputs[T])
      decoder.userPrevCell = nn.rnn.recursiveCopy(decoder.userPrevCell, encoder.cells[T])
      local output = second:forward(zs)
      for t = 1, T do close(wanted[t], output[t]) end
      second:backward(zs, dys)
      encoder.userNextGradCell =
        nn.rnn.recursiveCopy(encoder.userNextGradCell, decoder.userGradPrevCell)
      encoder.gradPrevOutput =
        nn.rnn.recursiveCopy(encoder.gradPrevOutput, decoder.userGradPrevOutput)
      local zeros = {}
      for t = 1, T do zeros[t] = dys[t] * 0 end
      first:backward(xs, zeros)
      check()
      if round == 2 then assert.same({B, H}, encoder.cells[1]:size():totable()) end
    end
    -- And without peepholes, where a sequence is one operation.
    local fast = nn.FastLSTM(D, H):double()
    local whole, half = nn.Sequencer(fast), {xs[1], xs[2]}
    local all = {}
    for t, y in ipairs(whole:forward(xs)) do all[t] = y:clone() end
    whole:forward(half)
    fast.userPrevOutput, fast.userPrevCell = fast.outputs[2]:clone(), fast.cells[2]:clone()
    close(all[4], whole:forward({xs[3], xs[4]})[2])
    whole:backward({xs[3], xs[4]}, {dys[3], dys[4]})
    assert.same({B, H}, fast.userGradPrevCell:size():totable())
  end)

  it('are lists of those inside of a Recursor', function()
    local whole = nn.Recursor(nn.Sequential(nn.GRU(D, H), nn.GRU(H, H))):double()
    whole:forward(xs[1])
    local states = whole:getHiddenState()
    assert.equal(2, #states)
    local wanted_next = whole:forward(xs[2]):clone()
    whole:forget()
    whole:setHiddenState(0, states)
    close(wanted_next, whole:forward(xs[2]))
    whole:backward(xs[2], dys[1])
    assert.equal(2, #whole:getGradHiddenState(0))
    whole:setGradHiddenState(1, states)
    fails('a step from 0 to 1 expected, got 7', encoder.getHiddenState, whole, 7)
    fails('the last one, may be set', encoder.setHiddenState, whole, 0)
  end)
end)

describe('modules for sequences', function()
  it('take sequences of any length as tensors, at linear cost', function()
    local sequencer = nn.Sequencer(nn.Linear(3, 2))
    local x, dy = torch.randn(300, 2, 3), torch.randn(300, 2, 2)
    local output = sequencer:forward(x)
    assert.same({300, 2, 2}, output:size():totable())
    local gradient = sequencer:backward(x, dy)
    local layer = nn.Linear(3, 2)
    layer.weight:copy(sequencer.module.modules[1].weight)
    layer:forward(x:view(600, 3))
    close(layer:backward(x:view(600, 3), dy:view(600, 2)):view(300, 2, 3), gradient, 1e-5)
  end)

  it('are told to remember and to forget from the top of a model', function()
    local model = nn.Sequential(nn.SeqLSTM(3, 2), nn.Sequencer(nn.GRU(2, 2)))
    local x = torch.randn(4, 1, 3)
    local first = model:forward(x):clone()
    close(first, model:forward(x))
    model:remember('both')
    model:forward(x)
    assert.is_true((first - model:forward(x)):abs():max() > 1e-4)
    model:forget()
    close(first, model:forward(x))
  end)

  it('run an LSTM without peepholes in one operation, with the same numbers', function()
    local lstm = nn.FastLSTM(D, H):double()
    local sequencer, xs, dys = nn.Sequencer(lstm), series(D), series(H)
    local ys, dxs, gradients = by_calls(lstm, xs, dys)
    local count, advance = 0, lstm.advance
    local function counted(...)
      count = count + 1
      return advance(...)
    end
    for _, way in ipairs {'whole', 'steps'} do
      lstm.advance = way == 'steps' and counted or nil
      for _, form in ipairs {'table', 'tensor'} do
        local x = form == 'table' and xs or torch.stack(xs, 1)
        local dy = form == 'table' and dys or torch.stack(dys, 1)
        lstm:zeroGradParameters()
        local output = sequencer:forward(x)
        local gradient = sequencer:backward(x, dy)
        for t = 1, T do
          close(ys[t], output[t])
          close(dxs[t], gradient[t])
          close(ys[t], lstm.outputs[t])
        end
        close(ys[T], lstm.output)
        check_gradients(lstm, gradients)
        assert.equal(T + 1, lstm.step)
        close(ys[T], lstm:getHiddenState()[1])
      end
      if way == 'whole' then fails('was not kept', lstm.getHiddenState, lstm, 2) end
    end
    assert.equal(2 * T, count)
    lstm.advance = nil
    fails('input has 7 features, expected 5', function()
      sequencer:forward(torch.randn(3, 2, 7):double())
    end)
    -- A single example, and steps of other sizes, go step by step.
    assert.same({3, H}, sequencer:forward(torch.randn(3, D):double()):size():totable())
    fails('as many examples as before expected %(3%), got 1: forget', function()
      sequencer:forward({xs[1], xs[2][1]:view(1, D)})
    end)
    sequencer:remember():forget()
    sequencer:forward(xs)
    fails('as many examples as before expected %(3%), got 2: forget', function()
      sequencer:forward(torch.randn(3, 2, D):double())
    end)
  end)

  it('reverse, merge and shift the two ways', function()
    local step = {}
    for t = 1, 3 do step[t] = torch.Tensor{{t}} end
    local Sum = torch.class('rnn_spec.RunningSum', 'nn.AbstractRecurrent', {})
    function Sum:__init() getmetatable(Sum).__init(self) end
    function Sum:advance(x, before)
      local y = before and before + x or x
      return y, y
    end
    local Pair = torch.class('rnn_spec.Pair', 'nn.Module', {})
    function Pair:updateOutput(input) return input[1] * 10 + input[2] end
    local function numbers(output)
      local list = {}
      for t, y in ipairs(output) do list[t] = y:sum() end
      return list
    end
    assert.same({10 + 6, 30 + 5, 60 + 3},
      numbers(nn.BiSequencer(Sum.new(), Sum.new(), Pair.new()):forward(step)))
    assert.same({5, 10 + 3, 30},
      numbers(nn.BiSequencerLM(Sum.new(), Sum.new(), Pair.new()):forward(step)))
    assert.same({1, 2, 3}, numbers(nn.Repeater(Sum.new(), 3):forward(step[1])))
    fails('at least 2 steps', function()
      nn.BiSequencerLM(Sum.new(), Sum.new(), Pair.new()):forward({step[1]})
    end)
  end)

  it('trim padding: the rest is what the module alone gives', function()
    local layer = nn.Linear(3, 2)
    local x = torch.randn(4, 3)
    x[2]:zero()
    x[3]:zero()
    local seen
    local Spy = torch.class('rnn_spec.Spy', 'nn.Module', {})
    function Spy:updateOutput(input)
      seen = input:size(1)
      return layer(input)
    end
    local trimmed = nn.TrimZero(Spy.new(), 1):forward(x)
    assert.equal(2, seen)
    close(nn.MaskZero(layer, 1):forward(x), trimmed, 1e-6)
    assert.equal(0, nn.TrimZero(layer, 1):forward(x * 0):abs():sum())
    fails('an input of 1 dimensions, or 2', function()
      nn.MaskZero(layer, 1):forward(torch.randn(2, 2, 3))
    end)
  end)

  it('leave padding out of a loss', function()
    local x, target = torch.randn(4, 3), torch.LongTensor{1, 2, 3, 1}
    x[2]:zero()
    local criterion = nn.MaskZeroCriterion(nn.CrossEntropyCriterion(), 1)
    local keep = torch.LongTensor{1, 3, 4}
    local wanted = nn.CrossEntropyCriterion():forward(x:index(1, keep), target:index(1, keep))
    assert.is_true(math.abs(criterion:forward(x, target) - wanted) < 1e-6)
    assert.equal(0, criterion:backward(x, target)[2]:abs():sum())
    assert.equal(0, criterion:forward(x * 0, target))
    assert.equal(0, criterion:backward(x * 0, target):abs():sum())
    fails('the input has 4 steps, the target 3', function()
      nn.SequencerCriterion(criterion):forward({x, x, x, x}, {target, target, target})
    end)
  end)
end)

describe('package rnn', function()
  -- Torch7's names.
  local NAMES = {'AbstractRecurrent', 'Recurrent', 'LSTM', 'FastLSTM', 'GRU', 'MuFuRu', 'Recursor',
    'Recurrence', 'NormStabilizer', 'AbstractSequencer', 'Sequencer', 'Repeater', 'BiSequencer',
    'BiSequencerLM', 'RecurrentAttention', 'SeqLSTM', 'SeqLSTMP', 'SeqGRU', 'SeqBRNN',
    'SeqReverseSequence', 'MaskZero', 'TrimZero',
    'LookupTableMaskZero', 'LinearNoBias', 'SAdd', 'CopyGrad', 'ExpandAs', 'ZeroGrad', 'Padding',
    'SequencerCriterion', 'RepeaterCriterion', 'MaskZeroCriterion'}

  it('has the classes that Torch7 has', function()
    for _, name in ipairs(NAMES) do assert.equal('nn.' .. name, tostring(nn[name])) end
    assert.equal(rnn, nn.rnn)
    for _, name in ipairs {'forget', 'remember', 'stepClone', 'maxBPTTstep'} do
      assert.equal('function', type(nn.Module[name]))
    end
  end)

  it('does to nested tables what tensors do', function()
    local value = {torch.Tensor{1, 2}, {torch.Tensor{3}}}
    local copy = nn.rnn.recursiveCopy(nil, value)
    assert.is_true(nn.rnn.recursiveTensorEq(copy, value))
    nn.rnn.recursiveAdd(copy, value)
    assert.is_false(nn.rnn.recursiveTensorEq(copy, value))
    assert.equal(12, nn.rnn.recursiveSum(copy))
    nn.rnn.recursiveFill(copy, 5)
    assert.equal(15, nn.rnn.recursiveSum(copy))
    nn.rnn.recursiveNormal(copy)
    assert.equal('torch.DoubleTensor', nn.rnn.recursiveType(copy, 'torch.DoubleTensor')[1]:type())
    assert.equal(0, nn.rnn.recursiveNew(copy)[2][1]:nElement())
    local resized = nn.rnn.recursiveResizeAs({}, {{torch.randn(2, 3)}})
    assert.same({2, 3}, resized[1][1]:size():totable())
    local set = nn.rnn.recursiveSet(nil, value)
    set[1][1] = 7
    assert.equal(7, value[1][1])
    assert.is_false(nn.rnn.recursiveTensorEq({value[1]}, value))
    fails('tensors, or tables of them', nn.rnn.recursiveCopy, nil, 3)
  end)
end)

describe('nn.Dropout with rnn', function()
  it('keeps its noise until backward with lazy, and for all examples with mono', function()
    local dropout, x = nn.Dropout(0.5, false, false, true, true), torch.ones(3, 50)
    local first = dropout:forward(x):clone()
    assert.is_true(first[1]:equal(first[2]) and first[1]:equal(first[3]))
    assert.is_true(first:equal(dropout:forward(x)))
    assert.is_true(first:equal(dropout:backward(x, x)))
    assert.is_false(first:equal(dropout:forward(x)))
    dropout:evaluate()
    assert.is_true(x:equal(dropout:forward(x)))
    local plain = nn.Dropout(0.5)
    assert.is_false(plain:forward(x):clone():equal(plain:forward(x)))
  end)
end)

describe('nn.LSTM with maskZero', function()
  it('gives over a whole sequence what it gives step by step', function()
    torch.manualSeed(2)
    local sequencer = nn.Sequencer(nn.FastLSTM(3, 4):maskZero(1)):double()
    local x, dy = torch.randn(6, 3, 3):double(), torch.randn(6, 3, 4):double()
    for _, place in ipairs {{1, 1}, {2, 1}, {4, 2}, {6, 3}} do x[place[1]][place[2]] = 0 end
    local _, gradients = sequencer:getParameters()
    local function run(input)
      gradients:zero()
      sequencer:forget()
      local y = sequencer:forward(input)
      return y, sequencer:backward(input, dy):clone(), gradients:clone()
    end
    local cell = sequencer:get(1)
    local whole = {run(x)}
    whole[1] = whole[1]:clone()
    cell.allSteps = function() return nil end
    local steps = {run(x)}
    for k = 1, 3 do assert.is_true((steps[k] - whole[k]):abs():max() < 1e-10) end
    assert.equal(0, torch.abs(whole[1][{4, 2}]):sum())
  end)
end)
