--- Negative log-likelihood of the right classes, from log-probabilities (see LogSoftMax).
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local classes = require 'nn.criterions.classes'
require 'nn.Criterion'

local ClassNLLCriterion, Criterion = torch.class('nn.ClassNLLCriterion', 'nn.Criterion')

--- weights: one for each class. sizeAverage: false for the sum over the batch, not its weighted
-- mean; or a table, {reduction = 'none'}. ignoreIndex: examples of this class do not count.
function ClassNLLCriterion:__init(weights, sizeAverage, ignoreIndex)
  losses.setup(self, sizeAverage)
  losses.check_weights(self, weights)
  self.weights = weights
  self.ignoreIndex = ignoreIndex or -100
end

--- Torch7's: the loss, and what the batch weighs.
function ClassNLLCriterion:forward(input, target)
  local ok, loss = pcall(Criterion.forward, self, input, target)
  if not ok then
    error(loss, type(loss) == 'string' and not loss:find('interrupted$') and 2 or 0)
  end
  return loss, classes.total_weight(target, self.weights, self.ignoreIndex)
end

--- input: (class), (batch, class) or (batch, class, ...); target: the number of the right class, or
-- one for each row or position.
function ClassNLLCriterion:updateOutput(input, target)
  local how = losses.reduction(self)
  local rows, labels = classes.rows(input, target)
  if how == 'none' then
    local values = classes.each(rows, labels, self.weights, self.ignoreIndex)
    return input:dim() > 2 and values:viewAs(target) or values
  end
  return torch.nll_loss(rows, labels, self.weights, how == 'mean', self.ignoreIndex)
end
