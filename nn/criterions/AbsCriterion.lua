--- Mean of the absolute differences between input and target.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local AbsCriterion = torch.class('nn.AbsCriterion', 'nn.Criterion')

--- sizeAverage: false for the sum; or a table, {reduction = 'none'}.
function AbsCriterion:__init(sizeAverage)
  losses.setup(self, sizeAverage)
end

function AbsCriterion:updateOutput(input, target)
  return losses.reduce(self, torch.abs(torch.csub(input, losses.like(input, target))))
end
