--- LogSoftMax and ClassNLLCriterion in one: for classes, from the outputs of a linear layer.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local classes = require 'nn.criterions.classes'
require 'nn.criterions.ClassNLLCriterion'

local CrossEntropyCriterion = torch.class('nn.CrossEntropyCriterion', 'nn.Criterion')

local function check_smoothing(value)
  if type(value) ~= 'number' or not (value >= 0 and value <= 1) then
    error(('nn.CrossEntropyCriterion: label_smoothing: a number from 0 to 1 expected, got %s')
      :format(tostring(value)), 4)
  end
end

--- weights: one for each class. sizeAverage: false for the sum over the batch, not its weighted
-- mean. options, which may come in the place of either: label_smoothing = 0, the part of the target
-- that is spread over all classes (Szegedy et al. 2016); ignoreIndex = -100, examples of this class
-- do not count; weights; reduction = 'mean', 'sum' or 'none'.
function CrossEntropyCriterion:__init(weights, sizeAverage, options)
  if type(weights) == 'table' then weights, options = nil, weights end
  if type(sizeAverage) == 'table' then sizeAverage, options = nil, sizeAverage end
  losses.setup(self, options, {label_smoothing = 0, ignoreIndex = -100}, {weights = true})
  check_smoothing(self.label_smoothing)
  self.sizeAverage = sizeAverage ~= false
  self.weights = weights or self.weights
  losses.check_weights(self, self.weights)
  -- Torch7's programs find weights and sizeAverage here; nothing is computed by these two.
  self.lsm = torch.factory('nn.LogSoftMax')()
  self.lsm:__init()
  self.nll = torch.factory('nn.ClassNLLCriterion')()
  self.nll:__init(self.weights, self.sizeAverage, self.ignoreIndex)
end

-- What holds, whether it was set here or in `nll`.
local function settings(self)
  local nll = self.nll or self
  local how = losses.reduction(self)
  if how == 'mean' and nll.sizeAverage == false then how = 'sum' end
  return how, self.weights or nll.weights, self.ignoreIndex or nll.ignoreIndex
end

-- ---------------------------------------------------------------------------------------------
-- The target as probabilities.

local function is_probabilities(input, target)
  return type(target) == 'userdata' and torch.isTensor(target)
    and target.dtype:find('float', 1, true) and input:isSameSizeAs(target)
    and input:size(input:dim() == 1 and 1 or 2) > 1
end

-- Losses of rows (position, class); positions as the target has them.
local function of_probabilities(self, rows, target, weights)
  local share, count = self.label_smoothing or 0, rows:size(2)
  if share > 0 then target = target * (1 - share) + share / count end
  local values = torch.cmul(torch.log_softmax(rows, 2), target)
  return -losses.weighted(values, weights):sum(2):view(rows:size(1))
end

local function probabilities_loss(self, input, target)
  local how, weights = settings(self)
  target = losses.typed_as(target, input)
  local n = input:dim()
  local batch, count = n == 1 and 1 or input:size(1), input:size(n == 1 and 1 or 2)
  local values = of_probabilities(self, classes.class_last(input, batch, count),
    classes.class_last(target, batch, count), weights)
  if how == 'none' then
    if n < 3 then return values end
    local sizes = input:size():totable()
    table.remove(sizes, 2)
    return values:view(torch.LongStorage(sizes))
  end
  return how == 'sum' and values:sum() or values:mean()
end

-- ---------------------------------------------------------------------------------------------
-- The target as labels.

-- Of the uniform distribution over all classes: for each row.
local function uniform_losses(log_p, labels, weights, ignore)
  local values = -losses.weighted(log_p, weights):mean(2):view(log_p:size(1))
  if type(labels) == 'number' then return values end
  local keep = labels:ne(ignore)
  return keep:min() == 1 and values or torch.cmul(values, losses.typed_as(keep, values))
end

local function smoothed_loss(self, rows, labels, how, weights, ignore)
  local share = self.label_smoothing
  if rows:dim() == 1 then rows = rows:view(1, rows:size(1)) end
  local log_p = torch.log_softmax(rows, 2)
  local values = uniform_losses(log_p, labels, weights, ignore) * share
  if how == 'none' then
    return classes.each(log_p, labels, weights, ignore) * (1 - share) + values
  end
  local total = how == 'sum' and 1 or classes.total_weight(labels, weights, ignore)
  local hit = torch.nll_loss(log_p, labels, weights, how == 'mean', ignore)
  return hit * (1 - share) + values:sum() / (total == 0 and 1 or total)
end

-- Torch7 squeezes both, so that (batch, class, 1, 1) goes with (batch).
local function labels_loss(self, input, target)
  local how, weights, ignore = settings(self)
  local rows, labels = classes.rows(input, target)
  local loss
  if (self.label_smoothing or 0) > 0 then
    loss = smoothed_loss(self, rows, labels, how, weights, ignore)
  elseif how == 'none' then
    loss = classes.each(torch.log_softmax(rows, rows:dim()), labels, weights, ignore)
  else
    return torch.cross_entropy(rows, labels, weights, how == 'mean', ignore)
  end
  return how == 'none' and input:dim() > 2 and loss:viewAs(target) or loss
end

--- input: (class), (batch, class) or (batch, class, ...). target: the number of the right class, or
-- one for each row or position; or, in the size of the input, probabilities of the classes.
function CrossEntropyCriterion:updateOutput(input, target)
  losses.check_tensor(input)
  if is_probabilities(input, target) then return probabilities_loss(self, input, target) end
  return labels_loss(self, input, target)
end
