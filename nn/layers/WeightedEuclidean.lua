--- Distance of the input to each column of the weight, where each coordinate has a learned scale
-- for each output: y_j = |c_j (x - w_j)|. Input: a vector or (batch, feature).
local torch = require 'torch'
local uniform = require 'nn.layers.uniform'

local WeightedEuclidean, Euclidean = torch.class('nn.WeightedEuclidean', 'nn.Euclidean')

--- The weight and diagCov, the scales, are (inputSize, outputSize).
function WeightedEuclidean:__init(inputSize, outputSize)
  Euclidean.__init(self, inputSize, outputSize)
  self:parameter('diagCov', inputSize, outputSize)
  self.diagCov:fill(1)
end

function WeightedEuclidean:reset(stdv)
  uniform(stdv, 1 / math.sqrt(self.weight:size(1)), self.weight)
  if self.diagCov then self.diagCov:fill(1) end
  return self
end

function WeightedEuclidean:updateOutput(input)
  local rows, outputs = self:rows_of(input), self.weight:size(2)
  -- (batch, feature, output)
  local away = torch.unsqueeze(rows, 3) - self.weight
  local output = torch.norm(torch.cmul(away, self.diagCov), 2, 2)
  if input:dim() == 1 then return torch.reshape(output, outputs) end
  return torch.reshape(output, rows:size(1), outputs)
end
