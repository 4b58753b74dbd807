--- Numbers above 0 that add up to 1, from any numbers: exp(x) / sum(exp(x)).
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local SoftMax = torch.class('nn.SoftMax', 'nn.Module')

--- dim: along which dimension. By default that of the classes, as in Torch7: of (class),
-- (batch, class), (class, y, x) or (batch, class, y, x).
function SoftMax:__init(dim)
  self.dim = dim
end

-- Files of Torch7 have no `dim`.
function SoftMax:dimension_of(input)
  if self.dim then return dims.at(input, self.dim) end
  dims.check(input, 1, 4)
  return dims.channel(input)
end

function SoftMax:updateOutput(input)
  return torch.softmax(input, self:dimension_of(input))
end
