--- For triplets: an anchor should be nearer to the positive example than to the negative one, by
-- the margin: max(0, d(anchor, positive) - d(anchor, negative) + margin).
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local TripletMarginCriterion = torch.class('nn.TripletMarginCriterion', 'nn.Criterion')

--- options: margin = 1; p = 2, of the norm that is the distance; eps = 1e-6, added to differences;
-- swap = false, true to count the distance of positive and negative where it is the smaller one
-- (Balntas et al. 2016); reduction = 'mean'.
function TripletMarginCriterion:__init(options)
  losses.setup(self, options, {margin = 1, p = 2, eps = 1e-6, swap = false})
end

local function distance(self, a, b)
  return torch.norm(torch.csub(a, b) + self.eps, self.p, 2):view(a:size(1))
end

--- input: {anchor, positive, negative}, each (feature) or (batch, feature). There is no target.
function TripletMarginCriterion:updateOutput(input)
  losses.check_parts(input, 3)
  local parts = {}
  for i = 1, 3 do
    parts[i] = input[i]:reshape(input[i]:dim() == 1 and 1 or input[i]:size(1), input[i]:nElement()
      / (input[i]:dim() == 1 and 1 or input[i]:size(1)))
  end
  local near, far = distance(self, parts[1], parts[2]), distance(self, parts[1], parts[3])
  if self.swap then far = torch.cmin(far, distance(self, parts[2], parts[3])) end
  return losses.reduce(self, torch.relu(torch.csub(near, far) + self.margin))
end
