--- x where it is above a threshold, else a value.
local torch = require 'torch'
require 'nn.Module'

local Threshold = torch.class('nn.Threshold', 'nn.Module')

--- inplace: accepted for Torch7's sake; the input is never written to.
function Threshold:__init(threshold, value, inplace)
  self.threshold, self.val = threshold or 1e-6, value or 0
  if type(self.threshold) ~= 'number' or type(self.val) ~= 'number' then
    error('nn.Threshold: a threshold and a value, both numbers, expected', 3)
  end
  self.inplace = inplace or false
end

function Threshold:updateOutput(input)
  return torch.threshold(input, self.threshold, self.val)
end
