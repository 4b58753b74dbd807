--- Runs a module over a sequence, step by step. The sequence is a table of inputs, or a tensor
-- (time, ...); the outputs are of the same form.
local torch = require 'torch'
local run = require 'nn.run'
local sequence = require 'nn.recurrent.sequence'
require 'nn.recurrent.AbstractSequencer'

local Sequencer, AbstractSequencer = torch.class('nn.Sequencer', 'nn.AbstractSequencer')

--- module: a recurrent one, or any that has recurrent ones inside, or none.
function Sequencer:__init(module)
  AbstractSequencer.__init(self)
  self.module = self:recurrent(module)
  self:add(self.module)
end

function Sequencer:updateOutput(input)
  local module = self.modules[1]
  self:begin(module)
  local whole = module.allSteps and module:allSteps(input)
  if whole then return whole end
  local list, outputs = sequence.of(input), {}
  for t = 1, #list do outputs[t] = run.call(module, list[t]) end
  return sequence.like(input, outputs)
end
