--- Logistic loss for each pixel: scores (batch, 1, height, width), targets of 1 and -1.
local torch = require 'torch'
require 'nn.criterions.BinaryLogisticRegression'

local SpatialBinaryLogisticRegression, BinaryLogisticRegression =
  torch.class('nn.SpatialBinaryLogisticRegression', 'nn.BinaryLogisticRegression')

--- sizeAverage: false for the sum, not the mean over all pixels.
function SpatialBinaryLogisticRegression:__init(sizeAverage)
  BinaryLogisticRegression.__init(self, sizeAverage)
end

function SpatialBinaryLogisticRegression:updateOutput(input, target)
  if input:dim() ~= 4 or input:size(2) ~= 1 then
    error(('scores (batch, 1, height, width) expected, got [%s]'):format(
      table.concat(input:size():totable(), 'x')), 0)
  end
  return BinaryLogisticRegression.updateOutput(self, input, target)
end
