-- Recurrent layers over whole sequences.
local torch, nn = require 'torch', require 'nn'
local cases = require 'spec.support.cases'
local make, randn = cases.make, cases.randn

local function stacked(name, options)
  return function()
    torch.manualSeed(11)
    return nn['Stacked' .. name](2, 3, options)
  end
end

local function with(name, fields, ...)
  local make_it = make(name, ...)
  return function()
    local module = make_it()
    for key, value in pairs(fields) do module[key] = value end
    return module
  end
end

local function packed(states, layers)
  return function()
    local state = {}
    for k = 1, states do state[k] = torch.randn(layers, 3, 3) end
    return {torch.randn(4, 3, 2), states == 1 and state[1] or state, torch.LongTensor {2, 4, 1}}
  end
end

local sequence, single = randn(3, 2, 2), randn(3, 2)

return {
  StackedLSTM = {stacked('LSTM'), sequence, single = single},
  ['StackedLSTM, two layers, both directions'] = {
    stacked('LSTM', {layers = 2, bidirectional = true, batch_first = true}), sequence,
    batched = true},
  ['StackedLSTM, projected'] = {stacked('LSTM', {proj = 2, layers = 2}), sequence},
  ['StackedLSTM, lengths'] = {stacked('LSTM', {bidirectional = true}), packed(2, 2),
    discrete = {[3] = true}},
  ['StackedLSTM, dropout'] = {stacked('LSTM', {layers = 2, dropout = 0.5}), sequence,
    random = true},
  StackedGRU = {stacked('GRU'), sequence, single = single},
  ['StackedGRU, lengths'] = {stacked('GRU', {layers = 2, bias = false}), packed(1, 2),
    discrete = {[3] = true}},
  ['StackedGRU, both directions'] = {stacked('GRU', {bidirectional = true}), sequence},
  StackedRNN = {stacked('RNN'), sequence, single = single},
  ['StackedRNN, relu'] = {stacked('RNN', {nonlinearity = 'relu', bidirectional = true}), sequence},
  ['StackedRNN, lengths'] = {stacked('RNN', {layers = 2}), packed(1, 2), discrete = {[3] = true}},
  SeqLSTM = {make('SeqLSTM', 2, 3), sequence, single = single},
  ['SeqLSTM, batch first'] = {with('SeqLSTM', {batchfirst = true}, 2, 3), sequence, batched = true},
  ['SeqLSTM, projected'] = {make('SeqLSTM', 2, 3, 2), sequence},
  SeqLSTMP = {make('SeqLSTMP', 2, 3, 1), sequence},
  SeqGRU = {make('SeqGRU', 2, 3), sequence, single = single},
  ['SeqGRU, batch first'] = {with('SeqGRU', {batchfirst = true}, 2, 3), sequence, batched = true},
  SeqBRNN = {make('SeqBRNN', 2, 3), sequence, single = single},
  ['SeqBRNN, batch first'] = {make('SeqBRNN', 2, 3, true, nn.JoinTable(3)), sequence,
    batched = true},
}
