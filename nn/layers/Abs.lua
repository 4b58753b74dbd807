--- Absolute value of each element.
local torch = require 'torch'
require 'nn.Module'

local Abs = torch.class('nn.Abs', 'nn.Module')

function Abs:updateOutput(input)
  return torch.abs(input)
end
