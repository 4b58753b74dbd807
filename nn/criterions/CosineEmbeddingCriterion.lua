--- For pairs: 1 - cos(a, b) where y = 1, max(0, cos(a, b) - margin) where y = -1.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local cosine = require 'nn.criterions.cosine'
require 'nn.Criterion'

local CosineEmbeddingCriterion = torch.class('nn.CosineEmbeddingCriterion', 'nn.Criterion')

--- margin: 0 by default. Set sizeAverage = false for the sum.
function CosineEmbeddingCriterion:__init(margin)
  losses.setup(self)
  self.margin = margin or 0
end

--- input: {(feature), (feature)} or {(batch, feature), (batch, feature)}; target: 1 or -1 for each
-- pair, or one for all.
function CosineEmbeddingCriterion:updateOutput(input, target)
  losses.check_parts(input, 2)
  local a, b = input[1], input[2]
  if a:dim() > 2 then
    error(('input: size (feature) or (batch, feature) expected, got %s'):format(
      losses.size_text(a)), 0)
  end
  if a:dim() == 1 then a, b = a:view(1, a:nElement()), b:view(1, b:nElement()) end
  local angle = cosine(a, b)
  local y = losses.like(angle, target)
  local near, far = losses.typed_as(y:eq(1), y), losses.typed_as(y:eq(-1), y)
  return losses.reduce(self, torch.cmul(1 - angle, near)
    + torch.cmul(torch.relu(angle - self.margin), far))
end
