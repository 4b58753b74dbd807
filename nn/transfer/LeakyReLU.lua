--- x where positive, else a small multiple of it. Maas et al. 2013.
local torch = require 'torch'
require 'nn.Module'

local LeakyReLU = torch.class('nn.LeakyReLU', 'nn.Module')

--- negval: the slope for negative x. inplace: accepted for Torch7's sake; the input is never
-- written to.
function LeakyReLU:__init(negval, inplace)
  if type(negval) == 'boolean' then negval, inplace = nil, negval end
  self.negval = negval or 1 / 100
  self.inplace = inplace or false
end

function LeakyReLU:updateOutput(input)
  return torch.leaky_relu(input, self.negval)
end

function LeakyReLU:__tostring__()
  return ('%s(%g)'):format(torch.type(self), self.negval)
end
