--- For language models: the output at a step comes from all steps before it (the first module) and
-- all behind it (the second one, from the end), but not from the step itself.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
local sequence = require 'nn.recurrent.sequence'
require 'nn.recurrent.BiSequencer'

local BiSequencerLM, BiSequencer = torch.class('nn.BiSequencerLM', 'nn.BiSequencer')

--- forward, backward, merge: see BiSequencer. At the two ends zeros stand for what is not there.
function BiSequencerLM:__init(forward, backward, merge)
  BiSequencer.__init(self, forward, backward, merge)
end

local function zeros(value)
  return values.map(function(tensor) return torch.zeros_like(tensor:detach()) end, value)
end

function BiSequencerLM:updateOutput(input)
  local list = sequence.of(input)
  local count = #list
  if count < 2 then error('a sequence of at least 2 steps expected, got 1', 0) end
  local fwd, bwd, merge = self.modules[1], self.modules[2], self.modules[3]
  local ahead, back, outputs = {}, {}, {}
  self:begin(fwd)
  bwd:forget()
  for t = 1, count - 1 do ahead[t] = run.call(fwd, list[t]) end
  for t = count, 2, -1 do back[t] = run.call(bwd, list[t]) end
  for t = 1, count do
    local before = t > 1 and ahead[t - 1] or zeros(ahead[1])
    local after = t < count and back[t + 1] or zeros(back[count])
    outputs[t] = run.call(merge, {before, after})
  end
  return sequence.like(input, outputs)
end
