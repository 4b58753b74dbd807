--- Two nn.SeqLSTM, one of which reads the sequence backwards, and what joins their outputs, both in
-- the order of the input: nn.SeqBRNN(inputDim, hiddenDim [, batchFirst] [, merge]). Schuster and
-- Paliwal 1997.
local torch = require 'torch'
local nn = require 'nn'
local sequences = require 'nn.recurrent.sequences'

local SeqBRNN, Container = torch.class('nn.SeqBRNN', 'nn.Container')

--- batchFirst: (batch, time, features); merge: a module that takes both outputs, nn.CAddTable by
-- default.
function SeqBRNN:__init(inputDim, hiddenDim, batchFirst, merge)
  Container.__init(self)
  self.inputsize, self.batchfirst = inputDim, batchFirst or false
  self:add(nn.SeqLSTM(inputDim, hiddenDim))
  self:add(nn.SeqLSTM(inputDim, hiddenDim))
  self:add(merge or nn.CAddTable())
  self.forwardModule, self.backwardModule, self.merge = self.modules[1], self.modules[2],
    self.modules[3]
end

function SeqBRNN:updateOutput(input)
  local x, single = sequences.read(self, input)
  local modules = self.modules
  local y = modules[3]({modules[1](x), torch.flip(modules[2](torch.flip(x, 1)), 1)})
  return sequences.give(self, y, single)
end

--- See nn.SeqLSTM: what both of them remember.
function SeqBRNN:remember(when)
  for k = 1, 2 do self.modules[k]:remember(when) end
  return self
end

function SeqBRNN:forget()
  for k = 1, 2 do self.modules[k]:forget() end
  return self
end

function SeqBRNN:__tostring__()
  return self:listing('[input -> (1) and, backwards, (2) -> (3) -> output]')
end
