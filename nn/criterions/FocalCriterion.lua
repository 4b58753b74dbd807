--- Cross entropy that counts examples less the better they are recognized: (1 - p)^gamma times
-- -log p, with p for the right class (Lin et al. 2017).
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local classes = require 'nn.criterions.classes'
local logits = require 'nn.criterions.logits'
require 'nn.Criterion'

local FocalCriterion = torch.class('nn.FocalCriterion', 'nn.Criterion')

--- options: gamma = 2; alpha = 0.25, the weight of class 1 against that of class 0, or with class
-- labels a tensor of one weight for each class, or -1 for no weights; reduction = 'mean'.
function FocalCriterion:__init(options)
  losses.setup(self, options, {gamma = 2}, {alpha = true})
  self.alpha = self.alpha or 0.25
end

-- Two classes: the target is 0 or 1 for each element.
local function binary(self, input, target)
  local cost = logits(input, target)
  local p = torch.exp(-logits(input, torch.round(target))) -- of the right class
  local values = torch.cmul(cost, torch.pow(1 - p, self.gamma))
  local alpha = self.alpha
  if type(alpha) ~= 'number' or alpha < 0 then return values end
  return torch.cmul(values, target * (2 * alpha - 1) + (1 - alpha))
end

-- Many classes: (batch, class, ...) and labels.
local function labelled(self, input, target)
  local rows, labels = classes.rows(input, target)
  rows = classes.batch(rows)
  labels = classes.labels(labels, rows:size(1), rows:size(2))
  local log_p = torch.gather(torch.log_softmax(rows, 2), 2, labels:view(-1, 1)):view(rows:size(1))
  local values = torch.cmul(-log_p, torch.pow(-torch.expm1(log_p), self.gamma))
  if not torch.isTensor(self.alpha) then return values end
  if self.alpha:nElement() ~= rows:size(2) then
    error(('%d weights for %d classes'):format(self.alpha:nElement(), rows:size(2)), 0)
  end
  return torch.cmul(values, losses.typed_as(self.alpha, values):index(1, labels))
end

--- input: logarithms of odds. target: in the same size 0 or 1; or class labels, as for
-- CrossEntropyCriterion.
function FocalCriterion:updateOutput(input, target)
  losses.check_tensor(input)
  if torch.isTensor(target) and target:isSameSizeAs(input) then
    return losses.reduce(self, binary(self, input, losses.like(input, target)))
  end
  return losses.reduce(self, labelled(self, input, target))
end
