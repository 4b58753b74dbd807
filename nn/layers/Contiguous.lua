--- The input, copied unless its elements lie one behind the other in memory.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Contiguous = torch.class('nn.Contiguous', 'nn.Module')

function Contiguous:updateOutput(input)
  dims.check(input)
  return input:contiguous()
end
