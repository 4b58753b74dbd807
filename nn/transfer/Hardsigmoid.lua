--- x / 6 + 1 / 2, limited to [0, 1], of each element.
local torch = require 'torch'
require 'nn.Module'

local Hardsigmoid = torch.class('nn.Hardsigmoid', 'nn.Module')

function Hardsigmoid:updateOutput(input)
  return torch.hardsigmoid(input)
end
