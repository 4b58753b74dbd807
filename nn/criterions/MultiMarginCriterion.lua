--- Hinge loss of many classes: for each wrong class j max(0, margin - x[right] + x[j])^p, averaged
-- over all classes.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local classes = require 'nn.criterions.classes'
require 'nn.Criterion'

local MultiMarginCriterion = torch.class('nn.MultiMarginCriterion', 'nn.Criterion')

--- p: 1 or 2. weights: one for each class. margin: 1 by default. Set sizeAverage = false for the
-- sum over the batch.
function MultiMarginCriterion:__init(p, weights, margin)
  losses.setup(self)
  losses.check_weights(self, weights)
  self.p, self.margin, self.weights = p or 1, margin or 1, weights
  if self.p ~= 1 and self.p ~= 2 then
    error(('nn.MultiMarginCriterion: p must be 1 or 2, got %s'):format(tostring(p)), 3)
  end
end

--- input: (class) or (batch, class); target: the right class, or one for each row.
function MultiMarginCriterion:updateOutput(input, target)
  input = classes.batch(input)
  local batch, count = input:size(1), input:size(2)
  local labels = classes.labels(target, batch, count)
  local places = labels:view(batch, 1)
  local lack = torch.relu((self.margin + input) - torch.gather(input, 2, places))
  if self.p == 2 then lack = torch.square(lack) end
  local wrong = torch.ones_like(input:detach()):scatter(2, places, 0)
  local values = torch.cmul(lack, wrong):sum(2):view(batch) / count
  if self.weights then
    if self.weights:nElement() ~= count then
      error(('%d weights for %d classes'):format(self.weights:nElement(), count), 0)
    end
    values = torch.cmul(values, losses.typed_as(self.weights, input):index(1, labels))
  end
  return losses.reduce(self, values)
end
