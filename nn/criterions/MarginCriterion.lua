--- Hinge loss of two classes: mean of max(0, margin - y x), with y = 1 or -1.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local MarginCriterion = torch.class('nn.MarginCriterion', 'nn.Criterion')

--- margin: 1 by default. Set sizeAverage = false for the sum.
function MarginCriterion:__init(margin)
  losses.setup(self)
  self.margin = margin or 1
end

--- target: 1 or -1 for each element, or one for all.
function MarginCriterion:updateOutput(input, target)
  local gain = torch.cmul(losses.like(input, target), input)
  return losses.reduce(self, torch.relu(self.margin - gain))
end
