--- x where it is above a threshold, else a value.
local torch = require 'torch'
local overwrite = require 'nn.inplace'
require 'nn.Module'

local Threshold = torch.class('nn.Threshold', 'nn.Module')

--- inplace: write over the input, see nn/inplace.lua.
function Threshold:__init(threshold, value, inplace)
  self.threshold, self.val = threshold or 1e-6, value or 0
  if type(self.threshold) ~= 'number' or type(self.val) ~= 'number' then
    error('nn.Threshold: a threshold and a value, both numbers, expected', 3)
  end
  self.inplace = inplace or false
end

function Threshold:updateOutput(input)
  local target = overwrite.target(self, input)
  if not target then return torch.threshold(input, self.threshold, self.val) end
  return target:maskedFill(torch.gt(target:detach(), self.threshold):eq(0), self.val)
end
