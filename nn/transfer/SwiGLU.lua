--- The first half of a dimension times SiLU of the second half. Shazeer 2020.
local torch = require 'torch'
local gated = require 'nn.transfer.gated'
require 'nn.Module'

local SwiGLU = torch.class('nn.SwiGLU', 'nn.Module')

--- dim: which dimension, the last one by default.
function SwiGLU:__init(dim)
  self.dim = dim
end

function SwiGLU:updateOutput(input)
  return gated(input, self.dim, torch.silu)
end
