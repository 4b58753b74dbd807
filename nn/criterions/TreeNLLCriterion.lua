--- Negative log-likelihood of what SoftMaxTree and SoftMaxForest give: minus the mean.
local torch = require 'torch'
require 'nn.Criterion'

local TreeNLLCriterion = torch.class('nn.TreeNLLCriterion', 'nn.Criterion')

--- input: log-probabilities of the targets (batch). The target itself is not looked at.
function TreeNLLCriterion:updateOutput(input)
  return -torch.reshape(input, input:nElement()):mean()
end
