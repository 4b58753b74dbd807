--- Adds a constant: y = x + c.
local torch = require 'torch'

local AddConstant = torch.class('nn.AddConstant', 'nn.MulConstant')

function AddConstant:updateOutput(input)
  return input + self:constant_for(input)
end
