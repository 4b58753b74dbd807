--- Each element to the power p.
local torch = require 'torch'
require 'nn.Module'

local Power = torch.class('nn.Power', 'nn.Module')

function Power:__init(p)
  if type(p) ~= 'number' then
    error(('nn.Power: a power expected, got %s'):format(tostring(p)), 3)
  end
  self.pow = p
end

function Power:updateOutput(input)
  return torch.pow(input, self.pow)
end

function Power:__tostring__()
  return ('%s(%s)'):format(torch.type(self), ('%.14g'):format(self.pow))
end
