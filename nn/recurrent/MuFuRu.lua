--- Multi-function recurrent unit: each feature mixes several ways to join the old output with a new
-- value. Weissenborn and Rocktaeschel 2016, arXiv:1606.03002.
local torch = require 'torch'
local nn = require 'nn'
local run = require 'nn.run'
local gates = require 'nn.recurrent.gates'
require 'nn.recurrent.GRU'

local MuFuRu, GRU = torch.class('nn.MuFuRu', 'nn.GRU')

-- Of the output before and the new value.
local OPERATIONS = {
  keep = function(before) return before end,
  replace = function(_, new) return new end,
  mul = function(before, new) return torch.cmul(before, new) end,
  diff = function(before, new) return torch.abs(before - new) * 0.5 end,
  forget = function(before) return before * 0 end,
  -- The root's slope at 0 is kept finite.
  sqrt_diff = function(before, new) return torch.sqrt(torch.abs(before - new) + 1e-12) * 0.25 end,
  max = function(before, new) return torch.cmax(before, new) end,
  min = function(before, new) return torch.cmin(before, new) end,
}
local ALL = {'keep', 'replace', 'mul', 'diff', 'forget', 'sqrt_diff', 'max', 'min'}

--- ops: names of the operations, by default all of keep, replace, mul, diff, forget, sqrt_diff, max
-- and min. rho: how many steps backward can go back.
function MuFuRu:__init(inputSize, outputSize, ops, rho)
  self.ops = ops or ALL
  for _, name in ipairs(self.ops) do
    if not OPERATIONS[name] then
      error(("nn.MuFuRu: one of %s expected, got '%s'"):format(table.concat(ALL, ', '),
        tostring(name)), 3)
    end
  end
  self.num_ops = #self.ops
  GRU.__init(self, inputSize, outputSize, rho or 9999)
end

function MuFuRu:buildModel()
  local size = self.outputSize
  self.i2g = nn.Linear(self.inputSize, (self.num_ops + 1) * size)
  self.o2g = nn.LinearNoBias(size, (self.num_ops + 1) * size)
  self.i2h = nn.Linear(self.inputSize, size)
  self.o2h = nn.LinearNoBias(size, size)
  self.modules = {self.i2g, self.o2g, self.i2h, self.o2h}
  return nil
end

function MuFuRu:advance(input, before)
  gates.check(input, self.inputSize, before)
  local size = self.outputSize
  before = before or gates.zeros(input, size)
  local sums = run.call(self.i2g, input) + run.call(self.o2g, before)
  local reset = torch.sigmoid(gates.part(sums, 1, size))
  local weights = torch.narrow(sums, sums:dim(), size + 1, self.num_ops * size)
  local shape = input:dim() == 1 and {self.num_ops, size} or {input:size(1), self.num_ops, size}
  weights = torch.softmax(torch.reshape(weights, torch.LongStorage(shape)), #shape - 1)
  local new = torch.sigmoid(run.call(self.i2h, input)
    + run.call(self.o2h, torch.cmul(reset, before)))
  local output
  for k, name in ipairs(self.ops) do
    local part = torch.cmul(torch.select(weights, #shape - 1, k), OPERATIONS[name](before, new))
    output = output and output + part or part
  end
  return output, output
end
