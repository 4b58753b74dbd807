--- Adds a constant number, or with negate subtracts the input from it.
local torch = require 'torch'
require 'nn.Module'

local SAdd = torch.class('nn.SAdd', 'nn.Module')

--- negate: addend - x instead of x + addend.
function SAdd:__init(addend, negate)
  self.addend, self.negate = addend, negate or false
end

function SAdd:updateOutput(input)
  return (self.negate and -input or input) + self.addend
end

function SAdd:__tostring__()
  return ('%s(%s%s)'):format(torch.type(self), tostring(self.addend), self.negate and ' - x' or '')
end
