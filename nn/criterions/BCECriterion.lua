--- Cross entropy of two classes, from probabilities: -(t log x + (1 - t) log(1 - x)).
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local BCECriterion = torch.class('nn.BCECriterion', 'nn.Criterion')

-- As in Torch7: probabilities of 0 and 1 cost 27.6 at most.
local EPSILON = 1e-12

--- weights: one for each element of a row. sizeAverage: false for the sum; or a table,
-- {reduction = 'none'}.
function BCECriterion:__init(weights, sizeAverage)
  losses.setup(self, sizeAverage)
  losses.check_weights(self, weights)
  self.weights = weights
end

-- Only a logarithm of something negative is no number.
local function check_range(input)
  local low, high = input:detach():min(), input:detach():max()
  if not (low >= 0 and high <= 1) then
    error(('input from 0 to 1 expected, got values from %g to %g; see BCEWithLogitsCriterion')
      :format(low, high), 0)
  end
end

--- input: probabilities of class 1; target: 0, 1, or a probability, for each element.
function BCECriterion:updateOutput(input, target)
  target = losses.like(input, target)
  local right = torch.cmul(target, torch.log(input + EPSILON))
  local wrong = torch.cmul(1 - target, torch.log((1 - input) + EPSILON))
  local values = losses.weighted(-(right + wrong), self.weights)
  local loss = losses.reduce(self, values)
  if type(loss) == 'number' and loss ~= loss or type(loss) ~= 'number'
    and torch.isnan(loss:detach()):max() > 0 then
    check_range(input)
  end
  return loss
end
