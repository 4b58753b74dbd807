--- x tanh(log(1 + exp(x))) of each element (Misra 2019).
local torch = require 'torch'
require 'nn.Module'

local Mish = torch.class('nn.Mish', 'nn.Module')

function Mish:updateOutput(input)
  return torch.mish(input)
end
