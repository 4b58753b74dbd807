--- Weighted sum of criterions, each with an input and a target of its own.
local torch = require 'torch'
require 'nn.criterions.MultiCriterion'

local ParallelCriterion, MultiCriterion = torch.class('nn.ParallelCriterion', 'nn.MultiCriterion')

--- repeatTarget: true where all have the same target.
function ParallelCriterion:__init(repeatTarget)
  MultiCriterion.__init(self)
  self.repeatTarget = repeatTarget
end

local function check_list(self, list, what)
  if type(list) ~= 'table' or #list < #self.criterions then
    error(('%s: a table for %d criterions expected, got %s'):format(what, #self.criterions,
      type(list) == 'table' and ('one of %d'):format(#list) or torch.type(list)), 0)
  end
end

--- input, target: tables with one entry for each criterion.
function ParallelCriterion:updateOutput(input, target)
  check_list(self, input, 'input')
  if not self.repeatTarget then check_list(self, target, 'target') end
  local total = 0
  for i, criterion in ipairs(self.criterions) do
    local wanted = target
    if not self.repeatTarget then wanted = target[i] end
    total = total + criterion(input[i], wanted) * self.weights[i]
  end
  return total
end
