--- Sum of the absolute values of the input: a penalty that makes it sparse. There is no target.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local L1Cost = torch.class('nn.L1Cost', 'nn.Criterion')

function L1Cost:__init()
  losses.setup(self, false)
end

function L1Cost:updateOutput(input, target)
  if target ~= nil then error('no target expected, got ' .. torch.type(target), 0) end
  losses.check_tensor(input)
  return torch.abs(input):sum()
end
