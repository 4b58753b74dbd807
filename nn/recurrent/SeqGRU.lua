--- rnn's GRU over whole sequences, (time, batch, inputsize) -> (time, batch, outputsize). The rows
-- of `weight`, (inputsize + outputsize) x (3 outputsize), belong to the input, then to the output
-- before; its columns, and `bias`, to the update gate, the reset gate and the candidate. The reset
-- gate acts on the output before it is multiplied (Cho et al. 2014).
--
-- Fields to set: batchfirst, maskzero and userPrevOutput, as those of nn.SeqLSTM.
local torch = require 'torch'
require 'nn.Module'
local sequences = require 'nn.recurrent.sequences'
local cells = require 'nn.recurrent.cells'

local SeqGRU, Module = torch.class('nn.SeqGRU', 'nn.Module')
sequences.class(SeqGRU, Module)

function SeqGRU:__init(inputsize, outputsize)
  Module.__init(self)
  outputsize = outputsize or inputsize
  sequences.check_sizes(self, inputsize, outputsize)
  self.inputsize, self.outputsize = inputsize, outputsize
  self.batchfirst, self.maskzero = false, false
  self:parameter('weight', inputsize + outputsize, 3 * outputsize)
  self:parameter('bias', 3 * outputsize)
  self:reset()
end

--- Normal weights of deviation `stdv`, 1 / sqrt(inputsize + outputsize) by default; biases 0.
function SeqGRU:reset(stdv)
  self.weight:normal(0, stdv or 1 / math.sqrt(self.inputsize + self.outputsize))
  self.bias:zero()
  return self
end

function SeqGRU:updateOutput(input)
  local x, single = sequences.read(self, input)
  local h = sequences.start(self, 1, self.userPrevOutput, x, self.outputsize)
  local y
  y, h = cells.gru(x, h, self.weight, self.bias,
    {present = self.maskzero and cells.present(x) or nil})
  sequences.keep(self, h)
  return sequences.give(self, y, single)
end

function SeqGRU:__tostring__()
  return ('%s(%d -> %d)'):format(torch.type(self), self.inputsize, self.outputsize)
end
