--- Long short-term memory with peepholes: the gates see the cell, too. Graves et al. 2013,
-- arXiv:1303.5778. See FastLSTM for the form without them.
local torch = require 'torch'
local nn = require 'nn'
local run = require 'nn.run'
local cells = require 'nn.recurrent.cells'
local gates = require 'nn.recurrent.gates'
local memory = require 'nn.recurrent.memory'
local sequence = require 'nn.recurrent.sequence'

local LSTM, AbstractRecurrent = torch.class('nn.LSTM', 'nn.AbstractRecurrent')

local PEEPHOLES = {'peepInput', 'peepForget', 'peepOutput'}

--- rho: how many steps backward can go back. cell2gate: false for no peepholes. p: dropout of
-- input and output at each gate; mono: the same elements are dropped for a whole sequence.
--
-- i2g.weight (4 outputSize, inputSize) and o2g.weight (4 outputSize, outputSize) hold the weights
-- of the input gate, the new cell, the forget gate and the output gate, in this order.
function LSTM:__init(inputSize, outputSize, rho, cell2gate, p, mono)
  AbstractRecurrent.__init(self, rho or 9999)
  self.inputSize, self.outputSize = inputSize, outputSize
  self.cell2gate = cell2gate ~= false
  self.p, self.mono = gates.probability(p), mono or false
  self.recurrentModule = self:buildModel()
  if self.recurrentModule then self.modules = {self.recurrentModule} end
end

--- Makes the layers. A class that derives from this one may return a module instead, of
-- {input, output before, cell before}, which gives {output, cell}.
function LSTM:buildModel()
  local size = self.outputSize
  self.i2g = nn.Linear(self.inputSize, 4 * size)
  self.o2g = nn.LinearNoBias(size, 4 * size)
  self.modules = {self.i2g, self.o2g}
  if self.cell2gate then
    for _, name in ipairs(PEEPHOLES) do self:parameter(name, size) end
    self:resetPeepholes()
  end
  return nil
end

-- As Torch7's CMul begins.
function LSTM:resetPeepholes(stdv)
  stdv = stdv and stdv * math.sqrt(3) or 1 / math.sqrt(self.outputSize)
  for _, name in ipairs(PEEPHOLES) do self[name]:uniform(-stdv, stdv) end
end

function LSTM:reset(stdv)
  AbstractRecurrent.reset(self, stdv)
  if self.peepInput then self:resetPeepholes(stdv) end
end

-- A gate's sum, with its peephole.
local function peep(gate, weight, cell)
  return weight and gate + torch.cmul(cell, weight:expandAs(cell)) or gate
end

--- The sums of the four gates. FastLSTM may normalise them.
function LSTM:sums(input, output)
  local size = self.outputSize
  return gates.product(self, self.i2g, input, 4, size, 'input')
    + gates.product(self, self.o2g, output, 4, size, 'output')
end

--- What the output is made of.
function LSTM:squash(cell)
  return torch.tanh(cell)
end

function LSTM:advance(input, state)
  gates.check(input, self.inputSize, state and state[1])
  local size = self.outputSize
  local output = state and state[1] or gates.zeros(input, size)
  local cell = state and state[2] or gates.zeros(input, size)
  if self.recurrentModule then
    local result = run.call(self.recurrentModule, {input, output, cell})
    return result[1], {result[1], result[2]}
  end
  local sums = self:sums(input, output)
  local new = torch.tanh(gates.part(sums, 2, size))
  local take = torch.sigmoid(peep(gates.part(sums, 1, size), self.peepInput, cell))
  local keep = torch.sigmoid(peep(gates.part(sums, 3, size), self.peepForget, cell))
  cell = torch.cmul(keep, cell) + torch.cmul(take, new)
  local give = torch.sigmoid(peep(gates.part(sums, 4, size), self.peepOutput, cell))
  output = torch.cmul(give, self:squash(cell))
  return output, {output, cell}
end

function LSTM:userState()
  local output, cell = self.userPrevOutput, self.userPrevCell
  if output == nil and cell == nil then return nil end
  return {output or torch.zeros_like(cell), cell or torch.zeros_like(output)}
end

function LSTM:userGradient()
  if self.gradPrevOutput == nil and self.userNextGradCell == nil then return nil end
  return {self.gradPrevOutput, self.userNextGradCell}
end

function LSTM:tellGradient(gradient)
  self.userGradPrevOutput, self.userGradPrevCell = gradient[1], gradient[2]
end

function LSTM:noteState(step, state)
  self.cells[step] = state[2]
end

-- Rows of the gates input, cell, forget, output in PyTorch's order: input, forget, cell, output.
local function reordered(rows, size)
  local function part(k) return torch.narrow(rows, 1, (k - 1) * size + 1, size) end
  return torch.cat({part(1), part(3), part(2), part(4)}, 1)
end

-- Is there nothing about this module that torch.lstm_layer does not do?
local function is_plain(self)
  return not (self.cell2gate or self.recurrentModule or self.bn_wx)
    and (self.maskZeroDims or 1) == 1
    and (self.p == 0 or self.train == false) and self.advance == LSTM.advance
    and rawget(self.i2g, 'updateOutput') == nil and rawget(self.o2g, 'updateOutput') == nil
    and torch.type(self.i2g) == 'nn.Linear' and torch.type(self.o2g) == 'nn.LinearNoBias'
end

--- The outputs for a whole sequence from its beginning, for nn.Sequencer: one operation instead of
-- many for each step. nil where steps have to be run one by one. Of the states the last is kept.
function LSTM:allSteps(input)
  local x = is_plain(self) and sequence.whole(input, self.inputSize, self.i2g.weight)
  if not x then return nil end
  memory.of(self)
  local first = memory.enter(self, self.step, x)
  gates.check(x[1], self.inputSize, first and first[1])
  local size = self.outputSize
  local w_ih, w_hh = reordered(self.i2g.weight, size), reordered(self.o2g.weight, size)
  local bias, into = self.i2g.bias and reordered(self.i2g.bias, size), x
  if self.maskZeroDims then
    into = cells.closed(torch.linear(x, w_ih, bias), cells.present(x))
    w_ih, bias = nil, nil
  end
  local outputs, output, cell = torch.lstm_layer(into, first and first[1], first and first[2], w_ih,
    w_hh, bias)
  local count = x:size(1)
  local last = self.step + count - 1
  outputs = memory.leave(self, last, outputs, {output, cell})
  if run.pass() then
    local plain = outputs:detach()
    for t = 1, count do self.outputs[self.step + t - 1] = plain:select(1, t) end
    self.output, self.cells[last] = self.outputs[last], cell:detach()
  end
  self.step = last + 1
  return sequence.like(input, outputs)
end

function LSTM:__tostring__()
  return ('%s(%d -> %d)'):format(torch.type(self), self.inputSize, self.outputSize)
end
