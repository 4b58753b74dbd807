--- Negative log-likelihood of the right classes, from log-probabilities (see LogSoftMax).
local torch = require 'torch'
require 'nn.Criterion'

local ClassNLLCriterion = torch.class('nn.ClassNLLCriterion', 'nn.Criterion')

--- weights: one for each class. sizeAverage: false for the sum over the batch, not its weighted
-- mean. ignoreIndex: examples of this class do not count.
function ClassNLLCriterion:__init(weights, sizeAverage, ignoreIndex)
  self.weights = weights
  self.sizeAverage = sizeAverage ~= false
  self.ignoreIndex = ignoreIndex
end

-- The rows that count.
local function without(input, target, index)
  if type(target) == 'number' then return input, target end
  local keep = torch.nonzero(target:ne(index))
  if keep:nElement() == target:nElement() then return input, target end
  keep = keep:view(keep:nElement())
  return torch.index(input, 1, keep), target:index(1, keep)
end

--- input: (class) or (batch, class); target: the number of the right class, or one for each row.
function ClassNLLCriterion:updateOutput(input, target)
  if self.ignoreIndex then
    input, target = without(input, target, self.ignoreIndex)
    if target == self.ignoreIndex or type(target) ~= 'number' and target:nElement() == 0 then
      return input:sum() * 0
    end
  end
  return torch.nll_loss(input, target, self.weights, self.sizeAverage)
end
