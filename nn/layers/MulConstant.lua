--- Multiplies by a constant: y = c x.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local overwrite = require 'nn.inplace'
require 'nn.Module'

local MulConstant = torch.class('nn.MulConstant', 'nn.Module')

--- constant: a number, or a vector with one for each element of the last dimension.
-- inplace: write over the input, see nn/inplace.lua.
function MulConstant:__init(constant, inplace)
  if type(constant) ~= 'number' and not torch.isTensor(constant) then
    error(('%s: a number or a tensor expected, got %s'):format(torch.type(self),
      torch.type(constant)), 3)
  end
  self.constant_scalar = constant
  self.inplace = inplace or false
end

-- The constant, which must fit the input.
function MulConstant:constant_for(input)
  local constant = self.constant_scalar
  dims.check(input)
  if type(constant) == 'number' then return constant end
  dims.check(input, 1, math.huge)
  if constant:nElement() ~= 1 and input:size(input:dim()) ~= constant:size(constant:dim()) then
    error(('input of size [%s] and a constant of size [%s] do not match'):format(dims.text(input),
      dims.text(constant)), 0)
  end
  return constant
end

function MulConstant:updateOutput(input)
  local constant, target = self:constant_for(input), overwrite.target(self, input)
  return target and target:mul(constant) or torch.mul(input, constant)
end
