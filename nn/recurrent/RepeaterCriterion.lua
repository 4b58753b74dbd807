--- A criterion for sequences with one target: the sum of its losses at all steps.
local torch = require 'torch'
require 'nn.recurrent.SequencerCriterion'

local RepeaterCriterion, SequencerCriterion =
  torch.class('nn.RepeaterCriterion', 'nn.SequencerCriterion')

function RepeaterCriterion:__init(criterion)
  SequencerCriterion.__init(self, criterion, false)
end

function RepeaterCriterion:targetOf(target)
  return target
end

function RepeaterCriterion:check()
end
