--- A criterion for sequences: the sum of its losses at all steps.
local torch = require 'torch'
local run = require 'nn.run'
local sequence = require 'nn.recurrent.sequence'
require 'nn.Criterion'

local SequencerCriterion, Criterion = torch.class('nn.SequencerCriterion', 'nn.Criterion')

--- sizeAverage: true for the mean over the steps instead of the sum.
function SequencerCriterion:__init(criterion, sizeAverage)
  Criterion.__init(self)
  if not torch.isTypeOf(criterion, 'nn.Criterion') then
    error(('%s: a criterion expected, got %s'):format(torch.type(self), torch.type(criterion)), 3)
  end
  run.adopt(criterion)
  self.criterion, self.sizeAverage = criterion, sizeAverage or false
end

--- What a step is compared with: `target` is a sequence, too, of a class for each step, say.
function SequencerCriterion:targetOf(target, t)
  if type(target) == 'userdata' and target:dim() == 1 then return target[t] end
  if type(target) == 'userdata' then return target:select(1, t) end
  return target[t]
end

local function count_of(target)
  return type(target) == 'table' and #target or torch.isTensor(target) and target:size(1) or 0
end

function SequencerCriterion:check(target, count)
  if count_of(target) ~= count then
    error(('the input has %d steps, the target %d'):format(count, count_of(target)), 0)
  end
end

function SequencerCriterion:updateOutput(input, target)
  local list, sum = sequence.of(input), nil
  self:check(target, #list)
  for t, step in ipairs(list) do
    local loss = run.call(self.criterion, step, self:targetOf(target, t))
    sum = sum and sum + loss or loss
  end
  return self.sizeAverage and sum / #list or sum
end

function SequencerCriterion:__tostring__()
  return ('%s @ %s'):format(torch.type(self), tostring(self.criterion))
end
