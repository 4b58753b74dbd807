--- x where positive, else a multiple of it: in training a random one for each element, in use their
-- mean. Xu et al. 2015.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local RReLU = torch.class('nn.RReLU', 'nn.Module')

--- lower, upper: between which the slope for negative x lies. inplace: accepted for Torch7's sake;
-- the input is never written to.
function RReLU:__init(lower, upper, inplace)
  self.lower, self.upper = lower or 1 / 8, upper or 1 / 3
  if self.lower > self.upper then
    error(('nn.RReLU: lower, %g, is above upper, %g'):format(self.lower, self.upper), 3)
  end
  self.inplace = inplace or false
  self.train = true
end

function RReLU:updateOutput(input)
  dims.check(input)
  if self.train == false then return torch.leaky_relu(input, (self.lower + self.upper) / 2) end
  local slopes = torch.empty_like(input:detach()):uniform(self.lower, self.upper)
  slopes:maskedFill(torch.gt(input:detach(), 0), 1)
  return torch.cmul(input, slopes)
end

function RReLU:__tostring__()
  return ('%s (l:%f, u:%f)'):format(torch.type(self), self.lower, self.upper)
end
