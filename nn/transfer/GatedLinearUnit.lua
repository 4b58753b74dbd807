--- The first half of a dimension times the sigmoid of the second half. Dauphin et al. 2017.
local torch = require 'torch'
local gated = require 'nn.transfer.gated'
require 'nn.Module'

local GatedLinearUnit = torch.class('nn.GatedLinearUnit', 'nn.Module')

--- dim: which dimension, the last one by default.
function GatedLinearUnit:__init(dim)
  self.dim = dim
end

function GatedLinearUnit:updateOutput(input)
  return gated(input, self.dim, torch.sigmoid)
end
