--- The input, unchanged; its gradient is 0.
local torch = require 'torch'
local values = require 'nn.values'
require 'nn.Module'

local ZeroGrad = torch.class('nn.ZeroGrad', 'nn.Module')

function ZeroGrad:updateOutput(input)
  return values.detached(input)
end
