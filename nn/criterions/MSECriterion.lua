--- Mean of the squares of the differences between input and target.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local MSECriterion = torch.class('nn.MSECriterion', 'nn.Criterion')

--- sizeAverage: false for the sum of the squares; or a table, {reduction = 'none'}.
function MSECriterion:__init(sizeAverage)
  losses.setup(self, sizeAverage)
end

function MSECriterion:updateOutput(input, target)
  target = losses.like(input, target)
  local how = losses.reduction(self)
  if how == 'none' then return torch.square(torch.csub(input, target)) end
  return torch.mse_loss(input, target, how == 'mean')
end
