--- Exponential linear unit that keeps mean 0 and variance 1 (Klambauer et al. 2017).
local torch = require 'torch'
require 'nn.Module'

local SELU = torch.class('nn.SELU', 'nn.Module')

function SELU:updateOutput(input)
  return torch.selu(input)
end
