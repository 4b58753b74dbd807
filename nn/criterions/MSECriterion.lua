--- Mean of the squares of the differences between input and target.
local torch = require 'torch'
require 'nn.Criterion'

local MSECriterion = torch.class('nn.MSECriterion', 'nn.Criterion')

--- sizeAverage: false for the sum of the squares.
function MSECriterion:__init(sizeAverage)
  self.sizeAverage = sizeAverage ~= false
end

function MSECriterion:updateOutput(input, target)
  return torch.mse_loss(input, target, self.sizeAverage)
end
