--- Weighted sum of criterions of the same input and target.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.Criterion'

local MultiCriterion, Criterion = torch.class('nn.MultiCriterion', 'nn.Criterion')

function MultiCriterion:__init()
  Criterion.__init(self)
  self.criterions, self.weights = {}, {}
end

--- Adds a criterion, with weight 1 by default. Returns the MultiCriterion.
function MultiCriterion:add(criterion, weight)
  if not torch.isTypeOf(criterion, 'nn.Criterion') then
    error(('%s: a criterion expected, got %s'):format(torch.type(self), torch.type(criterion)), 2)
  end
  run.adopt(criterion)
  local index = #self.criterions + 1
  self.criterions[index], self.weights[index] = criterion, weight or 1
  return self
end

function MultiCriterion:updateOutput(input, target)
  local total = 0
  for i, criterion in ipairs(self.criterions) do
    total = total + criterion(input, target) * self.weights[i]
  end
  return total
end
