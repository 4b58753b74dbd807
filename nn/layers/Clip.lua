--- Each element between two bounds; outside of them there is no gradient.
local torch = require 'torch'
require 'nn.Module'

local Clip = torch.class('nn.Clip', 'nn.Module')

function Clip:__init(minval, maxval)
  if type(minval) ~= 'number' or type(maxval) ~= 'number' or minval > maxval then
    error(('nn.Clip: two bounds, the lower one first, expected, got %s and %s'):format(
      tostring(minval), tostring(maxval)), 3)
  end
  self.minval, self.maxval = minval, maxval
end

function Clip:updateOutput(input)
  return torch.clamp(input, self.minval, self.maxval)
end

function Clip:__tostring__()
  return ('%s(%s, %s)'):format(torch.type(self), self.minval, self.maxval)
end
