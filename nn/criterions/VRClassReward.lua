--- Rewards a model that draws at random for right classes, less what a baseline expected: lower
-- variance. input: {scores of classes (batch, class), baseline (batch, 1)}; the baseline learns to
-- tell the reward. The loss is minus the mean reward.
local torch = require 'torch'
local nn = require 'nn'

local VRClassReward, Criterion = torch.class('nn.VRClassReward', 'nn.Criterion')

--- module: what gets the rewards by reinforce(). scale: of a reward, 1 by default. criterion: of
-- the baseline and the reward, nn.MSECriterion() by default.
function VRClassReward:__init(module, scale, criterion)
  Criterion.__init(self)
  if not torch.isTypeOf(module, 'nn.Module') then
    error(('%s: a module expected, got %s'):format(torch.type(self), torch.type(module)), 3)
  end
  self.module, self.scale = module, scale or 1
  self.criterion = criterion or nn.MSECriterion()
  self.sizeAverage = true
end

-- What is right, as numbers 0 and 1 (batch).
function VRClassReward:right(scores, target)
  if scores:dim() ~= 2 or target:nElement() ~= scores:size(1) then
    error(('scores (batch, class) and a class for each example expected, got %d dimensions and %d '
      .. 'classes'):format(scores:dim(), target:nElement()), 0)
  end
  local _, best = torch.max(scores, 2)
  return best:view(-1):to('int64'):eq(target:view(-1):to('int64')):typeAs(scores)
end

function VRClassReward:updateOutput(input, target)
  if type(input) ~= 'table' or not torch.isTensor(input[1]) or not torch.isTensor(input[2]) then
    error(torch.type(self) .. ': a table {scores, baseline} of tensors expected', 0)
  end
  self.reward = self:right(input[1]:detach(), target) * self.scale
  local sum = self.reward:sum()
  self.output = -(self.sizeAverage and sum / self.reward:nElement() or sum)
  return self.output
end

function VRClassReward:updateGradInput(input, target)
  self:updateOutput(input, target)
  local scores, baseline = input[1], input[2]
  self.vrReward = self.reward - baseline:detach():reshape(self.reward:nElement())
  if self.sizeAverage then self.vrReward = self.vrReward / self.reward:nElement() end
  self.module:reinforce(self.vrReward)
  local reward = self.reward:viewAs(baseline)
  self.criterion:forward(baseline, reward)
  self.gradInput = {torch.zeros_like(scores:detach()), self.criterion:backward(baseline, reward)}
  return self.gradInput
end

-- Conversions are not the model's.
function VRClassReward:type(name, cache)
  local module = self.module
  self.module = nil
  local result = Criterion.type(self, name, cache)
  self.module = module
  return result
end
