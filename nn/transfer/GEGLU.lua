--- The first half of a dimension times GELU of the second half. Shazeer 2020.
local torch = require 'torch'
local gated = require 'nn.transfer.gated'
require 'nn.Module'

local GEGLU = torch.class('nn.GEGLU', 'nn.Module')

--- dim: which dimension, the last one by default.
function GEGLU:__init(dim)
  self.dim = dim
end

function GEGLU:updateOutput(input)
  return gated(input, self.dim, torch.gelu)
end
