--- SoftMax of -x.
local torch = require 'torch'

local SoftMin = torch.class('nn.SoftMin', 'nn.SoftMax')

function SoftMin:updateOutput(input)
  return torch.softmin(input, self:dimension_of(input))
end
