--- Gated recurrent unit: h = (1 - z) tanh(W x + U (r h')) + z h', where r and z are gates.
-- Cho et al. 2014, arXiv:1406.1078.
local torch = require 'torch'
local nn = require 'nn'
local run = require 'nn.run'
local gates = require 'nn.recurrent.gates'

local GRU, AbstractRecurrent = torch.class('nn.GRU', 'nn.AbstractRecurrent')

--- rho: how many steps backward can go back. p: dropout of input and output at each gate; mono: the
-- same elements are dropped for a whole sequence.
--
-- i2g, o2g: the gates r and z, in this order; i2h, o2h: the new output.
function GRU:__init(inputSize, outputSize, rho, p, mono)
  AbstractRecurrent.__init(self, rho or 9999)
  self.inputSize, self.outputSize = inputSize, outputSize
  self.p, self.mono = gates.probability(p), mono or false
  self.recurrentModule = self:buildModel()
  if self.recurrentModule then self.modules = {self.recurrentModule} end
end

--- Makes the layers. A class that derives from this one may return a module instead, of
-- {input, output before}, which gives the output.
function GRU:buildModel()
  self.i2g = nn.Linear(self.inputSize, 2 * self.outputSize)
  self.o2g = nn.LinearNoBias(self.outputSize, 2 * self.outputSize)
  self.i2h = nn.Linear(self.inputSize, self.outputSize)
  self.o2h = nn.LinearNoBias(self.outputSize, self.outputSize)
  self.modules = {self.i2g, self.o2g, self.i2h, self.o2h}
  return nil
end

--- The gate r, and what else the gates' layers give.
function GRU:gate(input, before)
  local size = self.outputSize
  local sums = gates.product(self, self.i2g, input, 2, size, 'input')
    + gates.product(self, self.o2g, before, 2, size, 'output')
  return torch.sigmoid(sums)
end

function GRU:advance(input, before)
  gates.check(input, self.inputSize, before)
  local size = self.outputSize
  before = before or gates.zeros(input, size)
  local output
  if self.recurrentModule then
    output = run.call(self.recurrentModule, {input, before})
    return output, output
  end
  local both = self:gate(input, before)
  local reset, keep = gates.part(both, 1, size), gates.part(both, 2, size)
  local new = torch.tanh(gates.product(self, self.i2h, input, 1, size, 'new input')
    + gates.product(self, self.o2h, torch.cmul(reset, before), 1, size, 'new output'))
  output = new + torch.cmul(keep, before - new)
  return output, output
end

function GRU:__tostring__()
  return ('%s(%d -> %d)'):format(torch.type(self), self.inputSize, self.outputSize)
end
