--- x where positive, else a small multiple of it. Maas et al. 2013.
local torch = require 'torch'
local overwrite = require 'nn.inplace'
require 'nn.Module'

local LeakyReLU = torch.class('nn.LeakyReLU', 'nn.Module')

--- negval: the slope for negative x. inplace: write over the input, see nn/inplace.lua.
function LeakyReLU:__init(negval, inplace)
  if type(negval) == 'boolean' then negval, inplace = nil, negval end
  self.negval = negval or 1 / 100
  self.inplace = inplace or false
end

function LeakyReLU:updateOutput(input)
  local target = overwrite.target(self, input)
  if not target then return torch.leaky_relu(input, self.negval) end
  local slopes = torch.full_like(input:detach(), self.negval)
  return target:cmul(slopes:maskedFill(torch.gt(input:detach(), 0), 1))
end

function LeakyReLU:__tostring__()
  return ('%s(%g)'):format(torch.type(self), self.negval)
end
