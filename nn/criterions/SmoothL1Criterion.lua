--- Mean of the differences, squared and halved below 1, absolute less a half above.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local huber = require 'nn.criterions.huber'
require 'nn.Criterion'

local SmoothL1Criterion = torch.class('nn.SmoothL1Criterion', 'nn.Criterion')

--- sizeAverage: false for the sum; or a table, {reduction = 'none'}.
function SmoothL1Criterion:__init(sizeAverage)
  losses.setup(self, sizeAverage)
end

function SmoothL1Criterion:updateOutput(input, target)
  return losses.reduce(self, huber(input, losses.like(input, target), 1))
end
