--- For triplets: {to the similar one, to the other one} are distances from the same example, and
-- the loss is -log(exp(-a) / (exp(-a) + exp(-b))), averaged over the batch.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local DistanceRatioCriterion = torch.class('nn.DistanceRatioCriterion', 'nn.Criterion')

--- sizeAverage: false for the sum over the batch; or a table, {reduction = 'none'}.
function DistanceRatioCriterion:__init(sizeAverage)
  losses.setup(self, sizeAverage)
end

--- input: {(batch), (batch)}. There is no target.
function DistanceRatioCriterion:updateOutput(input)
  losses.check_parts(input, 2)
  return losses.reduce(self, torch.softplus(torch.csub(input[1], input[2])))
end
