--- rnn's LSTM over whole sequences, (time, batch, inputsize) -> (time, batch, outputsize): the rows
-- of `weight`, (inputsize + outputsize) x (4 hiddensize), belong to the input, then to the output
-- before; its columns, and `bias`, to the gates i, f, o, g (Hochreiter and Schmidhuber 1997).
--
-- Fields to set: batchfirst, for (batch, time, features); maskzero, so that steps whose input is
-- all zeros give zeros and begin anew; userPrevOutput, userPrevCell, a state to begin with.
local torch = require 'torch'
require 'nn.Module'
local sequences = require 'nn.recurrent.sequences'
local cells = require 'nn.recurrent.cells'

local SeqLSTM, Module = torch.class('nn.SeqLSTM', 'nn.Module')
sequences.class(SeqLSTM, Module)

--- outputsize: with it the output is projected to this size, by weightO (Sak et al. 2014); else it
-- is that of the cells.
function SeqLSTM:__init(inputsize, hiddensize, outputsize)
  Module.__init(self)
  hiddensize = hiddensize or inputsize
  sequences.check_sizes(self, inputsize, hiddensize, outputsize)
  self.inputsize, self.hiddensize = inputsize, hiddensize
  self.outputsize = outputsize or hiddensize
  self.batchfirst, self.maskzero = false, false
  self:parameter('weight', self.inputsize + self.outputsize, 4 * hiddensize)
  self:parameter('bias', 4 * hiddensize)
  if outputsize then self:parameter('weightO', hiddensize, outputsize) end
  self:reset()
end

--- Normal weights of deviation `stdv`, 1 / sqrt(inputsize + outputsize) by default; biases 0, those
-- of the forget gate 1.
function SeqLSTM:reset(stdv)
  stdv = stdv or 1 / math.sqrt(self.inputsize + self.outputsize)
  self.weight:normal(0, stdv)
  if self.weightO then self.weightO:normal(0, stdv) end
  self.bias:zero()
  self.bias:narrow(1, self.hiddensize + 1, self.hiddensize):fill(1)
  return self
end

-- From i f o g to i f g o, along the last dimension.
local function reordered(t, hidden)
  local dim = t:dim()
  return torch.cat({t:narrow(dim, 1, 2 * hidden), t:narrow(dim, 3 * hidden + 1, hidden),
    t:narrow(dim, 2 * hidden + 1, hidden)}, dim)
end

function SeqLSTM:updateOutput(input)
  local x, single = sequences.read(self, input)
  local hidden = self.hiddensize
  local h = sequences.start(self, 1, self.userPrevOutput, x, self.outputsize)
  local c = sequences.start(self, 2, self.userPrevCell, x, hidden)
  local weight, bias = reordered(self.weight, hidden):t(), reordered(self.bias, hidden)
  local w_ih = weight:narrow(2, 1, self.inputsize)
  local w_hh = weight:narrow(2, self.inputsize + 1, self.outputsize)
  local y
  if self.weightO then
    y, h, c = cells.lstm(x, h, c, w_ih, w_hh, bias, nil, {projection = self.weightO:t(),
      present = self.maskzero and cells.present(x) or nil})
  elseif self.maskzero then
    y, h, c = torch.lstm_layer(cells.closed(torch.linear(x, w_ih, bias), cells.present(x)), h, c,
      nil, w_hh)
  else
    y, h, c = torch.lstm_layer(x, h, c, w_ih, w_hh, bias)
  end
  sequences.keep(self, h, c)
  return sequences.give(self, y, single)
end

function SeqLSTM:__tostring__()
  local sizes = {self.inputsize, self.hiddensize}
  if self.weightO then sizes[3] = self.outputsize end
  return ('%s(%s)'):format(torch.type(self), table.concat(sizes, ' -> '))
end
