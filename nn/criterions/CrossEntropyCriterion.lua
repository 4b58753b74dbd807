--- LogSoftMax and ClassNLLCriterion in one: for classes, from the outputs of a linear layer.
local torch = require 'torch'
require 'nn.Criterion'

local CrossEntropyCriterion = torch.class('nn.CrossEntropyCriterion', 'nn.Criterion')

--- weights: one for each class. sizeAverage: false for the sum over the batch, not its mean.
function CrossEntropyCriterion:__init(weights, sizeAverage)
  self.weights = weights
  self.sizeAverage = sizeAverage ~= false
end

--- input: (class) or (batch, class); target: the number of the right class, or one for each row.
function CrossEntropyCriterion:updateOutput(input, target)
  return torch.cross_entropy(input, target, self.weights, self.sizeAverage)
end
