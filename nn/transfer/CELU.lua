--- x where positive, else alpha (exp(x / alpha) - 1). Barron 2017.
local torch = require 'torch'
require 'nn.Module'

local CELU = torch.class('nn.CELU', 'nn.Module')

--- alpha: minus the limit for small x.
function CELU:__init(alpha)
  self.alpha = alpha or 1
  if self.alpha == 0 then error('nn.CELU: an alpha other than 0 expected', 3) end
end

function CELU:updateOutput(input)
  return torch.celu(input, self.alpha)
end
