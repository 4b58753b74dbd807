--- Looks at an input several times: what was seen tells the action, where to look next. Mnih et al.
-- 2014, arXiv:1406.6247.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.recurrent.AbstractSequencer'

local RecurrentAttention, AbstractSequencer =
  torch.class('nn.RecurrentAttention', 'nn.AbstractSequencer')

--- rnn: a module of {input, action}. action: a module of the output of rnn; at the first step of
-- zeros. nStep: how many looks. hiddenSize: the sizes of rnn's output for one example: {256}.
function RecurrentAttention:__init(rnn, action, nStep, hiddenSize)
  AbstractSequencer.__init(self)
  if type(nStep) ~= 'number' or nStep < 1 then
    error(('nn.RecurrentAttention: a number of steps from 1 expected, got %s'):format(
      tostring(nStep)), 3)
  end
  self.rnn, self.action = self:recurrent(rnn), self:recurrent(action)
  self.nStep, self.hiddenSize = nStep, type(hiddenSize) == 'number' and {hiddenSize} or hiddenSize
  self:add(self.rnn):add(self.action)
end

--- input: (batch, ...). Gives the table of rnn's outputs.
function RecurrentAttention:updateOutput(input)
  local rnn, action = self.modules[1], self.modules[2]
  self:begin(rnn)
  self:begin(action)
  local first = input
  while type(first) == 'table' do first = first[1] end
  local sizes = {first:size(1), (table.unpack or unpack)(self.hiddenSize)}
  local hidden = torch.zeros(torch.LongStorage(sizes)):type(torch.type(first))
  local outputs = {}
  self.actions = {}
  for t = 1, self.nStep do
    local where = run.call(action, hidden)
    self.actions[t] = where:detach()
    hidden = run.call(rnn, {input, where})
    outputs[t] = hidden
  end
  return outputs
end

function RecurrentAttention:__tostring__()
  return self:listing()
end
