--- Hyperbolic tangent of each element.
local torch = require 'torch'
require 'nn.Module'

local Tanh = torch.class('nn.Tanh', 'nn.Module')

function Tanh:updateOutput(input)
  return torch.tanh(input)
end
