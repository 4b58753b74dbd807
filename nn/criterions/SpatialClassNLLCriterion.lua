--- ClassNLLCriterion of each place of an image.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.criterions.ClassNLLCriterion'

local SpatialClassNLLCriterion, ClassNLLCriterion = torch.class('nn.SpatialClassNLLCriterion',
  'nn.ClassNLLCriterion')

--- As of ClassNLLCriterion.
function SpatialClassNLLCriterion:__init(weights, sizeAverage, ignoreIndex)
  ClassNLLCriterion.__init(self, weights, sizeAverage, ignoreIndex)
end

--- input: ([batch,] class, height, width), log-probabilities; target: ([batch,] height, width).
function SpatialClassNLLCriterion:updateOutput(input, target)
  losses.check_tensor(input)
  losses.check_tensor(target, 'target')
  local n = input:dim()
  if n ~= 3 and n ~= 4 or target:dim() ~= n - 1 then
    error(('input (batch, class, height, width) and target (batch, height, width) expected, got '
      .. 'sizes %s and %s'):format(losses.size_text(input), losses.size_text(target)), 0)
  end
  if n == 3 then input = input:view(1, input:size(1), input:size(2), input:size(3)) end
  return ClassNLLCriterion.updateOutput(self, input, target)
end
