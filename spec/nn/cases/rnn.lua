-- Recurrent modules over sequences; step by step they are checked in spec/nn/rnn_spec.lua.
local torch, nn = require 'torch', require 'nn'

local function series() return torch.randn(3, 2, 3) end

local function steps(count, ...)
  local list = {}
  for t = 1, count or 3 do list[t] = torch.randn(...) end
  return list
end

local function over(make)
  return {function() return nn.Sequencer(make()) end, series,
    single = function() return steps(2, 3) end}
end

-- With rows of padding.
local function padded()
  local x = torch.randn(3, 2, 3)
  x[1][1]:zero()
  x[3][2]:zero()
  return x
end

local function sum_of(first, second)
  return nn.Sequential(nn.ParallelTable():add(first):add(second), nn.CAddTable(), nn.Tanh())
end

return {
  ['Sequencer, LSTM'] = over(function() return nn.LSTM(3, 2) end),
  ['Sequencer, LSTM without peepholes'] = over(function() return nn.LSTM(3, 2, nil, false) end),
  ['Sequencer, FastLSTM'] = over(function() return nn.FastLSTM(3, 2) end),
  ['Sequencer, GRU'] = over(function() return nn.GRU(3, 2) end),
  ['Sequencer, MuFuRu'] = over(function() return nn.MuFuRu(3, 1) end),
  ['Sequencer, Recurrent'] = over(function()
    return nn.Recurrent(2, nn.Linear(3, 2), nn.Linear(2, 2), nn.Tanh())
  end),
  ['Sequencer, Recurrent with a merge'] = over(function()
    return nn.Recurrent(nn.Identity(), nn.Linear(3, 2), nn.Linear(2, 2), nn.Sigmoid(), 5,
      nn.CMulTable())
  end),
  ['Sequencer, Recurrence'] = over(function()
    return nn.Recurrence(sum_of(nn.Linear(3, 2), nn.Linear(2, 2)), 2, 1)
  end),
  ['Sequencer, a chain of layers'] = over(function()
    return nn.Sequential(nn.Linear(3, 2), nn.GRU(2, 2), nn.Tanh(), nn.FastLSTM(2, 1))
  end),
  ['Sequencer, of tables'] = {function()
    return nn.Sequencer(nn.Sequential(nn.CAddTable(), nn.GRU(3, 2)))
  end, function() return {{torch.randn(2, 3), torch.randn(2, 3)},
    {torch.randn(2, 3), torch.randn(2, 3)}} end},
  ['Sequencer, LSTM with dropout'] = {function()
    return nn.Sequencer(nn.LSTM(3, 2, nil, true, 0.3))
  end, series, random = true},
  ['Sequencer, GRU with the same dropout for all steps'] = {function()
    return nn.Sequencer(nn.GRU(3, 2, nil, 0.3, true))
  end, series, random = true},
  ['Sequencer, padding'] = {function() return nn.Sequencer(nn.FastLSTM(3, 2):maskZero(1)) end,
    padded, discrete = true},
  ['Repeater'] = {function() return nn.Repeater(nn.GRU(3, 2), 3) end,
    function() return torch.randn(2, 3) end, single = function() return torch.randn(3) end},
  ['BiSequencer'] = {function() return nn.BiSequencer(nn.GRU(3, 1), nn.FastLSTM(3, 2)) end,
    function() return steps(2, 2, 3) end},
  ['BiSequencer, of a tensor'] = {function()
    return nn.BiSequencer(nn.GRU(3, 2), nil, nn.CAddTable())
  end, series},
  ['BiSequencerLM'] = {function() return nn.BiSequencerLM(nn.GRU(3, 1), nn.GRU(3, 1)) end,
    function() return steps(3, 2, 3) end},
  ['RecurrentAttention'] = {function()
    local rnn = nn.Recurrence(nn.Sequential(nn.FlattenTable(), nn.JoinTable(1, 1),
      nn.Linear(4 + 1 + 3, 3), nn.Tanh()), 3, 1)
    return nn.RecurrentAttention(rnn, nn.Linear(3, 1), 3, {3})
  end, function() return torch.randn(2, 4) end},
  ['SeqReverseSequence'] = {function() return nn.SeqReverseSequence(1) end, series},
  ['SeqReverseSequence, of the second dimension'] = {function()
    return nn.SeqReverseSequence(2)
  end, series},
  ['MaskZero'] = {function() return nn.MaskZero(nn.Linear(4, 3), 1) end,
    function()
      local x = torch.randn(3, 4)
      x[2]:zero()
      return x
    end, discrete = true, single = function() return torch.randn(4) end},
  ['TrimZero'] = {function() return nn.TrimZero(nn.Linear(4, 3), 1) end,
    function()
      local x = torch.randn(3, 4)
      x[2]:zero()
      return x
    end, discrete = true, single = function() return torch.randn(4) end},
  ['LookupTableMaskZero'] = {function() return nn.LookupTableMaskZero(4, 3) end,
    function() return torch.LongTensor{{1, 0, 4}, {0, 2, 1}} end, discrete = true},
  ['LinearNoBias'] = {function() return nn.LinearNoBias(4, 3) end,
    function() return torch.randn(5, 4) end, batched = true},
  ['SAdd'] = {function() return nn.SAdd(2.5) end, function() return torch.randn(5, 4) end},
  ['SAdd, negated'] = {function() return nn.SAdd(2.5, true) end,
    function() return torch.randn(5, 4) end},
  ['CopyGrad'] = {function() return nn.CopyGrad() end, function() return torch.randn(5, 4) end},
  ['ExpandAs'] = {function() return nn.ExpandAs() end,
    function() return {torch.randn(3, 1), torch.randn(3, 4)} end},
  ['SequencerCriterion'] = {function() return nn.SequencerCriterion(nn.MSECriterion()) end,
    function() return steps(3, 2, 4) end, function() return steps(3, 2, 4) end},
  ['SequencerCriterion, mean over tensors'] = {function()
    return nn.SequencerCriterion(nn.CrossEntropyCriterion(), true)
  end, series, function() return torch.LongTensor{{1, 2}, {2, 1}, {3, 3}} end},
  ['SequencerCriterion, classes of one example'] = {function()
    return nn.SequencerCriterion(nn.CrossEntropyCriterion())
  end, function() return torch.randn(3, 4) end, function() return torch.LongTensor{1, 4, 2} end},
  ['RepeaterCriterion'] = {function() return nn.RepeaterCriterion(nn.MSECriterion()) end,
    function() return steps(3, 2, 4) end, function() return torch.randn(2, 4) end},
  ['MaskZeroCriterion'] = {function()
    return nn.MaskZeroCriterion(nn.CrossEntropyCriterion(), 1)
  end, function()
    local x = torch.randn(3, 4)
    x[2]:zero()
    return x
  end, function() return torch.LongTensor{1, 1, 3} end, discrete = true},
}
