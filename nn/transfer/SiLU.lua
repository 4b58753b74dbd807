--- x sigmoid(x) of each element (Elfwing et al. 2017).
local torch = require 'torch'
require 'nn.Module'

local SiLU = torch.class('nn.SiLU', 'nn.Module')

function SiLU:updateOutput(input)
  return torch.silu(input)
end
