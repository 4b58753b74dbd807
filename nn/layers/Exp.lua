--- e to the power of each element.
local torch = require 'torch'
require 'nn.Module'

local Exp = torch.class('nn.Exp', 'nn.Module')

function Exp:updateOutput(input)
  return torch.exp(input)
end
