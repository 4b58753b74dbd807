--- Square of each element.
local torch = require 'torch'
require 'nn.Module'

local Square = torch.class('nn.Square', 'nn.Module')

function Square:updateOutput(input)
  return torch.square(input)
end
