--- Each element limited to [min_value, max_value].
local torch = require 'torch'
local overwrite = require 'nn.inplace'
require 'nn.Module'

local HardTanh = torch.class('nn.HardTanh', 'nn.Module')

--- By default -1 and 1. inplace: write over the input, see nn/inplace.lua.
function HardTanh:__init(min_value, max_value, inplace)
  self.min_val, self.max_val = min_value or -1, max_value or 1
  if self.min_val >= self.max_val then
    error(('%s: max_value, %g, must be larger than min_value, %g'):format(torch.type(self),
      self.max_val, self.min_val), 3)
  end
  self.inplace = inplace or false
end

function HardTanh:updateOutput(input)
  local low, high = self.min_val, self.max_val
  local target = overwrite.target(self, input)
  if not target then return torch.hardtanh(input, low, high) end
  local values = target:detach()
  return target:maskedFill(torch.lt(values, low), low):maskedFill(torch.gt(values, high), high)
end
