--- Runs two modules over a sequence, one of them from its end to its beginning, and merges their
-- outputs step by step.
local torch = require 'torch'
local nn = require 'nn'
local run = require 'nn.run'
local sequence = require 'nn.recurrent.sequence'
require 'nn.recurrent.AbstractSequencer'

local BiSequencer, AbstractSequencer = torch.class('nn.BiSequencer', 'nn.AbstractSequencer')

--- forward, backward: the modules; without the second one a copy of the first with its own
-- parameters. merge: a module of {output of forward, output of backward}, by default
-- nn.JoinTable(1, 1).
function BiSequencer:__init(forward, backward, merge)
  AbstractSequencer.__init(self)
  if backward == nil and torch.isTypeOf(forward, 'nn.Module') then
    backward = forward:clone()
    backward:reset()
  end
  self.fwd, self.bwd = self:recurrent(forward), self:recurrent(backward)
  self.merge = merge or nn.JoinTable(1, 1)
  self:add(self.fwd):add(self.bwd):add(self.merge)
end

-- The two series of outputs, both in the order of the sequence.
local function both_ways(self, list)
  local ahead, back, fwd, bwd = {}, {}, self.modules[1], self.modules[2]
  self:begin(fwd)
  bwd:forget()
  for t = 1, #list do ahead[t] = run.call(fwd, list[t]) end
  for t = #list, 1, -1 do back[t] = run.call(bwd, list[t]) end
  return ahead, back
end

function BiSequencer:updateOutput(input)
  local list, outputs = sequence.of(input), {}
  local ahead, back = both_ways(self, list)
  for t = 1, #list do outputs[t] = run.call(self.modules[3], {ahead[t], back[t]}) end
  return sequence.like(input, outputs)
end

function BiSequencer:__tostring__()
  return self:listing()
end
