--- For segmentation: 1 - 2 |a b| / (|a| + |b|), with what was predicted and what is there summed
-- over each example (Milletari et al. 2016).
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local DiceCriterion = torch.class('nn.DiceCriterion', 'nn.Criterion')

--- options: smooth = 1, added above and below the line; reduction = 'mean'.
function DiceCriterion:__init(options)
  losses.setup(self, options, {smooth = 1})
end

--- input: probabilities, (batch, ...); target: in the same size 0 or 1.
function DiceCriterion:updateOutput(input, target)
  target = losses.like(input, target)
  local rows = input:dim() > 1 and input:size(1) or 1
  local columns = input:nElement() / rows
  local a, b = input:reshape(rows, columns), target:reshape(rows, columns)
  local both = torch.cmul(a, b):sum(2) * 2 + self.smooth
  local all = a:sum(2) + b:sum(2) + self.smooth
  return losses.reduce(self, (1 - torch.cdiv(both, all)):view(rows))
end
