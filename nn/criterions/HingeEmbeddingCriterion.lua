--- For distances of pairs: the distance where y = 1, max(0, margin - distance) where y = -1.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local hinge = require 'nn.criterions.hinge'
require 'nn.Criterion'

local HingeEmbeddingCriterion = torch.class('nn.HingeEmbeddingCriterion', 'nn.Criterion')

--- margin: 1 by default. Set sizeAverage = false for the sum.
function HingeEmbeddingCriterion:__init(margin)
  losses.setup(self)
  self.margin = margin or 1
end

--- input: distances; target: 1 or -1 for each, or one for all.
function HingeEmbeddingCriterion:updateOutput(input, target)
  losses.check_tensor(input)
  return losses.reduce(self, hinge(input, target, self.margin))
end
