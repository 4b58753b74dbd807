--- Mean of the differences, squared and halved up to delta, in a line of slope delta beyond.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local huber = require 'nn.criterions.huber'
require 'nn.Criterion'

local HuberCriterion = torch.class('nn.HuberCriterion', 'nn.Criterion')

--- options: delta = 1, reduction = 'mean'.
function HuberCriterion:__init(options)
  losses.setup(self, options, {delta = 1})
  if self.delta <= 0 or self.delta ~= self.delta then
    error(('nn.HuberCriterion: delta must be above 0, got %g'):format(self.delta), 3)
  end
end

function HuberCriterion:updateOutput(input, target)
  return losses.reduce(self, huber(input, losses.like(input, target), self.delta))
end
