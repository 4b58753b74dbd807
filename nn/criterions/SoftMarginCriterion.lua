--- Logistic loss of two classes: mean of log(1 + exp(-y x)), with y = 1 or -1.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local SoftMarginCriterion = torch.class('nn.SoftMarginCriterion', 'nn.Criterion')

--- sizeAverage: false for the sum; or a table, {reduction = 'none'}.
function SoftMarginCriterion:__init(sizeAverage)
  losses.setup(self, sizeAverage)
end

--- target: 1 or -1 for each element, or one for all.
function SoftMarginCriterion:updateOutput(input, target)
  local gain = torch.cmul(losses.like(input, target), input)
  return losses.reduce(self, torch.softplus(-gain))
end
