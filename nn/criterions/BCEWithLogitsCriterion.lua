--- Sigmoid and BCECriterion in one: for two classes, from the outputs of a linear layer.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local logits = require 'nn.criterions.logits'
require 'nn.Criterion'

local BCEWithLogitsCriterion = torch.class('nn.BCEWithLogitsCriterion', 'nn.Criterion')

--- options: weights, one for each element of a row; pos_weight, by how much examples of class 1
-- count more, a number or one for each element of a row; reduction = 'mean'.
function BCEWithLogitsCriterion:__init(options)
  losses.setup(self, options, nil, {weights = true, pos_weight = true})
  losses.check_weights(self, self.weights)
end

--- input: the logarithm of the odds of class 1; target: 0, 1, or a probability, for each element.
function BCEWithLogitsCriterion:updateOutput(input, target)
  target = losses.like(input, target)
  local positive = self.pos_weight
  if torch.isTensor(positive) then
    if positive:nElement() ~= 1 and positive:nElement() ~= input:size(input:dim()) then
      error(('%d pos_weights for %d elements'):format(positive:nElement(),
        input:size(input:dim())), 0)
    end
    positive = losses.typed_as(positive, input)
  end
  local values = logits(input, target, positive)
  return losses.reduce(self, losses.weighted(values, self.weights))
end
