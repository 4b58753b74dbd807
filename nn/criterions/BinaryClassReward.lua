--- VRClassReward for two classes: the score is the probability of 1 against 0.
local torch = require 'torch'
require 'nn.criterions.VRClassReward'

local BinaryClassReward, VRClassReward = torch.class('nn.BinaryClassReward', 'nn.VRClassReward')

--- module, scale, criterion: see VRClassReward.
function BinaryClassReward:__init(module, scale, criterion)
  VRClassReward.__init(self, module, scale, criterion)
end

--- scores: (batch) or (batch, 1); target: 0 or 1 for each.
function BinaryClassReward:right(scores, target)
  if scores:nElement() ~= target:nElement() then
    error(('a target for each of %d examples expected, got %d'):format(scores:nElement(),
      target:nElement()), 0)
  end
  local guess = scores:view(-1):gt(0.5):to('int64')
  return guess:eq(target:view(-1):to('int64')):typeAs(scores)
end
