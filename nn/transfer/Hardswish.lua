--- x times Hardsigmoid of each element (Howard et al. 2019).
local torch = require 'torch'
require 'nn.Module'

local Hardswish = torch.class('nn.Hardswish', 'nn.Module')

function Hardswish:updateOutput(input)
  return torch.hardswish(input)
end
