--- Kullback-Leibler divergence of the target, probabilities, from the input, log-probabilities:
-- t (log t - x), which is 0 where t is.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.criterions.KLDivCriterion'

local DistKLDivCriterion, KLDivCriterion = torch.class('nn.DistKLDivCriterion', 'nn.KLDivCriterion')

--- sizeAverage: false for the sum; true for the mean over all elements.
function DistKLDivCriterion:__init(sizeAverage)
  losses.setup(self, sizeAverage)
end

DistKLDivCriterion.updateOutput = KLDivCriterion.updateOutput
