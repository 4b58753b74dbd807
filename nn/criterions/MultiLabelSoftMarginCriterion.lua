--- Cross entropy of each class on its own, from what a sigmoid would make probabilities.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local logits = require 'nn.criterions.logits'
require 'nn.Criterion'

local MultiLabelSoftMarginCriterion = torch.class('nn.MultiLabelSoftMarginCriterion',
  'nn.Criterion')

--- weights: one for each class. sizeAverage: false for the sum over batch and classes; or a table,
-- {reduction = 'none'}.
function MultiLabelSoftMarginCriterion:__init(weights, sizeAverage)
  losses.setup(self, sizeAverage)
  losses.check_weights(self, weights)
  self.weights = weights
end

--- input: (class) or (batch, class); target: in the same size 1 for the right classes, else 0.
function MultiLabelSoftMarginCriterion:updateOutput(input, target)
  local values = logits(input, losses.like(input, target))
  return losses.reduce(self, losses.weighted(values, self.weights))
end
