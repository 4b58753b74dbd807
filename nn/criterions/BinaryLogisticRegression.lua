--- Logistic loss of scores and targets of 1 and -1: log(1 + exp(-t x)).
local torch = require 'torch'
require 'nn.Criterion'

local BinaryLogisticRegression = torch.class('nn.BinaryLogisticRegression', 'nn.Criterion')

--- sizeAverage: false for the sum, not the mean.
function BinaryLogisticRegression:__init(sizeAverage)
  self.sizeAverage = sizeAverage ~= false
end

--- input: any size; target: as many numbers, each 1 or -1.
function BinaryLogisticRegression:updateOutput(input, target)
  if input:nElement() ~= target:nElement() then
    error(('a target for each of %d scores expected, got %d'):format(input:nElement(),
      target:nElement()), 0)
  end
  local signs = target:detach():typeAs(input):viewAs(input:detach())
  local losses = torch.softplus(torch.cmul(input, -signs))
  losses = torch.reshape(losses, losses:nElement())
  return self.sizeAverage and losses:mean() or losses:sum()
end
