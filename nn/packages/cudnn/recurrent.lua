--- cudnn.RNN, LSTM, GRU and those in both directions: nn's layers of whole sequences, which keep
-- their state in fields, as cuDNN's do.
local torch = require 'torch'
require 'nn'

-- The state as the layers below take it, and back.
local function read_state(self)
  local h = self.hiddenInput or self.rememberStates and self.hiddenOutput or nil
  local c = self.cellInput or self.rememberStates and self.cellOutput or nil
  if self.kind ~= 'LSTM' or not h and not c then return h end
  return {h or torch.zeros_like(c), c or torch.zeros_like(h)}
end

local function keep_state(self, state)
  local h = torch.isTensor(state) and state or state[1]
  self.hiddenOutput = h:detach()
  if self.kind == 'LSTM' then self.cellOutput = state[2]:detach() end
end

local function define(name, base, more)
  local class, parent = torch.class('cudnn.' .. name, 'nn.' .. base)
  --- Input: (time, batch, features), or with batchFirst (batch, time, features). rememberStates: a
  -- sequence goes on where the last one ended, until resetStates.
  function class:__init(inputSize, hiddenSize, numLayers, batchFirst, dropout, rememberStates)
    local options = {layers = numLayers or 1, batch_first = batchFirst or false,
      dropout = dropout or 0}
    for key, value in pairs(more) do options[key] = value end
    parent.__init(self, inputSize, hiddenSize, options)
    self.numLayers, self.batchFirst = options.layers, options.batch_first
    self.rememberStates = rememberStates or false
  end
  function class:updateOutput(input)
    local out = parent.updateOutput(self, {input, read_state(self)})
    keep_state(self, out[2])
    return out[1]
  end
  function class:resetStates()
    self.hiddenOutput, self.cellOutput = nil, nil
  end
  function class:clearState()
    self:resetStates()
    return parent.clearState(self)
  end
  class.setMode = function(self, mode)
    if mode ~= nil then
      error(('cudnn.%s: the kind of layer is given by its class, not by setMode'):format(name), 2)
    end
    return self
  end
end

define('RNN', 'StackedRNN', {nonlinearity = 'relu'})
define('RNNReLU', 'StackedRNN', {nonlinearity = 'relu'})
define('RNNTanh', 'StackedRNN', {nonlinearity = 'tanh'})
define('LSTM', 'StackedLSTM', {})
define('GRU', 'StackedGRU', {})
define('BLSTM', 'StackedLSTM', {bidirectional = true})
define('BGRU', 'StackedGRU', {bidirectional = true})
