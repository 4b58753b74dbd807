--- x where positive, else a multiple of it: in training a random one for each element, in use their
-- mean. Xu et al. 2015.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local overwrite = require 'nn.inplace'
require 'nn.Module'

local RReLU = torch.class('nn.RReLU', 'nn.Module')

--- lower, upper: between which the slope for negative x lies. inplace: write over
-- the input, see nn/inplace.lua.
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
  local low, high = self.lower, self.upper
  local target = overwrite.target(self, input)
  if self.train == false then
    low, high = (low + high) / 2, (low + high) / 2
    if not target then return torch.leaky_relu(input, low) end
  end
  local slopes = torch.empty_like(input:detach()):uniform(low, high)
  slopes:maskedFill(torch.gt(input:detach(), 0), 1)
  return target and target:cmul(slopes) or torch.cmul(input, slopes)
end

function RReLU:__tostring__()
  return ('%s (l:%f, u:%f)'):format(torch.type(self), self.lower, self.upper)
end
