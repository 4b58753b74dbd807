--- Adds a constant: y = x + c.
local torch = require 'torch'
local overwrite = require 'nn.inplace'

local AddConstant = torch.class('nn.AddConstant', 'nn.MulConstant')

function AddConstant:updateOutput(input)
  local constant, target = self:constant_for(input), overwrite.target(self, input)
  return target and target:add(constant) or input + constant
end
