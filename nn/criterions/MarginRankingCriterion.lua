--- For pairs of scores, of which the first should be the greater (y = 1) or the smaller (y = -1):
-- max(0, margin - y (a - b)).
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local MarginRankingCriterion = torch.class('nn.MarginRankingCriterion', 'nn.Criterion')

--- margin: 1 by default. Set sizeAverage = false for the sum.
function MarginRankingCriterion:__init(margin)
  losses.setup(self)
  self.margin = margin or 1
end

--- input: {a, b}, of one size; target: 1 or -1 for each pair, or one for all.
function MarginRankingCriterion:updateOutput(input, target)
  losses.check_parts(input, 2)
  local lead = torch.csub(input[1], input[2])
  return losses.reduce(self, torch.relu(self.margin - torch.cmul(losses.like(lead, target), lead)))
end
