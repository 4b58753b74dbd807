--- x where positive, else alpha (exp(x) - 1). Clevert et al. 2015.
local torch = require 'torch'
local overwrite = require 'nn.inplace'
require 'nn.Module'

local ELU = torch.class('nn.ELU', 'nn.Module')

--- alpha: minus the limit for small x. inplace: write over the input, see nn/inplace.lua.
function ELU:__init(alpha, inplace)
  if type(alpha) == 'boolean' then alpha, inplace = nil, alpha end
  self.alpha = alpha or 1
  self.inplace = inplace or false
end

function ELU:updateOutput(input)
  return overwrite.moved(self, input, torch.elu, self.alpha)
end

function ELU:__tostring__()
  return ('%s (alpha:%f)'):format(torch.type(self), self.alpha)
end
