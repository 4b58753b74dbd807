--- MSECriterion of the input and weight * target: as in Torch7, it is the target that is weighted.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.criterions.MSECriterion'

local WeightedMSECriterion, MSECriterion = torch.class('nn.WeightedMSECriterion',
  'nn.MSECriterion')

--- weight: a tensor in the size of a target, or of one row of a batch.
function WeightedMSECriterion:__init(weight, sizeAverage)
  MSECriterion.__init(self, sizeAverage)
  if not torch.isTensor(weight) then
    error(('nn.WeightedMSECriterion: weight: a tensor expected, got %s'):format(
      torch.type(weight)), 3)
  end
  self.weight = weight:clone()
end

function WeightedMSECriterion:updateOutput(input, target)
  target = losses.like(input, target)
  local weight, size = losses.typed_as(self.weight, input), input:nElement()
  local rows = input:dim() == weight:dim() + 1
  if weight:nElement() * (rows and input:size(1) or 1) ~= size then
    error(('input has size %s, but the weight size %s'):format(losses.size_text(input),
      losses.size_text(weight)), 0)
  end
  return MSECriterion.updateOutput(self, input, torch.cmul(target, weight))
end
