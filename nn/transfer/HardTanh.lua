--- Each element limited to [min_value, max_value].
local torch = require 'torch'
require 'nn.Module'

local HardTanh = torch.class('nn.HardTanh', 'nn.Module')

--- By default -1 and 1. inplace: accepted for Torch7's sake; the input is never written to.
function HardTanh:__init(min_value, max_value, inplace)
  self.min_val, self.max_val = min_value or -1, max_value or 1
  if self.min_val >= self.max_val then
    error(('%s: max_value, %g, must be larger than min_value, %g'):format(torch.type(self),
      self.max_val, self.min_val), 3)
  end
  self.inplace = inplace or false
end

function HardTanh:updateOutput(input)
  return torch.hardtanh(input, self.min_val, self.max_val)
end
