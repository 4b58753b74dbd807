--- Square root of each element; where it is 0 the gradient is 0, too.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Sqrt = torch.class('nn.Sqrt', 'nn.Module')

--- eps: added to each element first.
function Sqrt:__init(eps)
  self.eps = eps or 0
end

function Sqrt:updateOutput(input)
  dims.check(input)
  if self.eps ~= 0 then input = input + self.eps end
  -- The root of another number there, lest its infinite slope turns the gradient into nan.
  local zero = torch.eq(input:detach(), 0)
  local root = torch.sqrt(torch.maskedFill(input, zero, 1))
  return torch.maskedFill(root, zero, 0)
end
