--- x / (1 + |x|) of each element.
local torch = require 'torch'
require 'nn.Module'

local SoftSign = torch.class('nn.SoftSign', 'nn.Module')

function SoftSign:updateOutput(input)
  return torch.softsign(input)
end
