--- HingeEmbeddingCriterion of the sum of absolute differences of two inputs.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local hinge = require 'nn.criterions.hinge'
require 'nn.Criterion'

local L1HingeEmbeddingCriterion = torch.class('nn.L1HingeEmbeddingCriterion', 'nn.Criterion')

--- margin: 1 by default. Set sizeAverage = false for the sum over a batch.
function L1HingeEmbeddingCriterion:__init(margin)
  losses.setup(self)
  self.margin = margin or 1
end

--- input: {a, b}. target: 1 or -1 for the pair; or one for each row of a batch.
function L1HingeEmbeddingCriterion:updateOutput(input, target)
  losses.check_parts(input, 2)
  local gap = torch.abs(torch.csub(input[1], input[2]))
  local rows = 1
  if torch.isTensor(target) and target:nElement() > 1 then rows = target:nElement() end
  if rows > 1 and input[1]:size(1) ~= rows then
    error(('%d targets for a batch of %d'):format(rows, input[1]:size(1)), 0)
  end
  local distance = gap:reshape(rows, gap:nElement() / rows):sum(2)
  return losses.reduce(self, hinge(distance, target, self.margin))
end
