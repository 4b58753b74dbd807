--- Hinge loss where several classes are right: for each right class i and each wrong class j
-- max(0, 1 - x[i] + x[j]), summed and divided by the number of classes.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local classes = require 'nn.criterions.classes'
require 'nn.Criterion'

local MultiLabelMarginCriterion = torch.class('nn.MultiLabelMarginCriterion', 'nn.Criterion')

--- sizeAverage: false for the sum over the batch; or a table, {reduction = 'none'}.
function MultiLabelMarginCriterion:__init(sizeAverage)
  losses.setup(self, sizeAverage)
end

--- input: (class) or (batch, class); target: in the same size the right classes of each row, ended
-- by a 0 unless there are as many as classes.
function MultiLabelMarginCriterion:updateOutput(input, target)
  input = classes.batch(input)
  local batch, count = input:size(1), input:size(2)
  losses.check_tensor(target, 'target')
  if target:nElement() ~= input:nElement() then
    error(('input has size %s, but the target size %s'):format(losses.size_text(input),
      losses.size_text(target)), 0)
  end
  local labels = classes.check(target, count, 0):view(batch, count)
  local there = torch.cumprod(losses.typed_as(labels:ne(0), input), 2)
  local most = math.max(1, there:sum(2):max())
  labels = labels:narrow(2, 1, most):clamp(1, count)
  there = there:narrow(2, 1, most)
  local wrong = torch.scatter_add(torch.zeros_like(input:detach()), 2, labels, there):eq(0)
  local right = torch.gather(input, 2, labels):view(batch, most, 1)
  local lack = torch.relu(1 - right + input:view(batch, 1, count))
  lack = torch.cmul(lack, there:view(batch, most, 1))
  lack = torch.cmul(lack, losses.typed_as(wrong, input):view(batch, 1, count))
  return losses.reduce(self, lack:view(batch, most * count):sum(2):view(batch) / count)
end
