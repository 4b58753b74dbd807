--- Class labels: reading them, and inputs of more dimensions than (batch, class).
local torch = require 'torch'
local losses = require 'nn.criterions.losses'

local classes = {}

local function out_of_range(labels, low, count)
  for i = 1, labels:nElement() do
    local label = labels[i]
    if not (label >= low and label <= count and label % 1 == 0) then
      error(('class label %g at position %d is out of range: there are classes %d to %d'):format(
        label, i, low, count), 0)
    end
  end
end

--- Labels as whole numbers, in one dimension; low: the least one, 1 by default.
function classes.check(labels, count, low)
  labels = labels:reshape(labels:nElement())
  low = low or 1
  local whole = labels:to('int64')
  if labels:nElement() > 0 and not (labels:min() >= low and labels:max() <= count)
    or getmetatable(labels) ~= getmetatable(whole) and not torch.equal(labels:to('float64'),
      whole:to('float64')) then
    out_of_range(labels, low, count)
  end
  return whole
end

--- The labels of `batch` rows, checked, as a LongTensor (batch).
function classes.labels(target, batch, count)
  if type(target) == 'number' then target = torch.DoubleTensor{target} end
  losses.check_tensor(target, 'target')
  if target:nElement() ~= batch then
    error(('%d class labels for a batch of %d'):format(target:nElement(), batch), 0)
  end
  return classes.check(target, count)
end

--- (class) as (1, class).
function classes.batch(input)
  losses.check_tensor(input)
  if input:dim() == 1 then return input:view(1, input:size(1)) end
  if input:dim() ~= 2 then
    error(('input: size (class) or (batch, class) expected, got %s'):format(
      losses.size_text(input)), 0)
  end
  return input
end

--- (batch, class, ...) as rows (position, class), and the target as (position).
function classes.rows(input, target)
  losses.check_tensor(input)
  local n = input:dim()
  if type(target) ~= 'number' then losses.check_tensor(target, 'target') end
  if n <= 2 then return input, target end
  losses.check_tensor(target, 'target')
  local batch, count = input:size(1), input:size(2)
  local positions = input:nElement() / count
  losses.check_tensor(target, 'target')
  if target:nElement() ~= positions then
    error(('input has size %s, so %d class labels are expected, got a target of size %s'):format(
      losses.size_text(input), positions, losses.size_text(target)), 0)
  end
  return classes.class_last(input, batch, count), target:reshape(target:nElement())
end

--- (batch, class, ...) as (position, class).
function classes.class_last(input, batch, count)
  return input:reshape(batch, count, input:nElement() / (batch * count)):transpose(2, 3)
    :reshape(input:nElement() / count, count)
end

--- What a batch weighs: the weights of its labels, without those to ignore.
function classes.total_weight(target, weights, ignore)
  if type(target) == 'number' then
    if target == ignore then return 0 end
    return weights and weights[target] or 1
  end
  target = target:reshape(target:nElement())
  local keep = ignore and target:ne(ignore)
  if not weights then return keep and torch.count_nonzero(keep) or target:nElement() end
  if keep then target = target:maskedSelect(keep) end
  if target:nElement() == 0 then return 0 end
  return weights:index(1, classes.check(target, weights:nElement())):sum()
end

--- -weight * log-probability of each row's label, 0 for those to ignore.
function classes.each(rows, target, weights, ignore)
  torch.no_grad(torch.nll_loss, rows, target, weights, false, ignore) -- says what is wrong
  if type(target) == 'number' then target = torch.LongTensor{target} end
  if rows:dim() == 1 then rows = rows:view(1, rows:size(1)) end
  local keep = ignore and losses.typed_as(target:ne(ignore), rows)
  local labels = target:to('int64'):clone()
  if ignore then labels:maskedFill(target:eq(ignore), 1) end
  local values = -torch.gather(rows, 2, labels:view(-1, 1)):view(labels:nElement())
  if weights then values = torch.cmul(values, losses.typed_as(weights, rows):index(1, labels)) end
  return keep and torch.cmul(values, keep) or values
end

return classes
