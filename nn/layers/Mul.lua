--- Multiplies all elements by one learned number.
local torch = require 'torch'
local uniform = require 'nn.layers.uniform'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Mul = torch.class('nn.Mul', 'nn.Module')

function Mul:__init()
  self:parameter('weight', 1)
  self:reset()
end

function Mul:reset(stdv)
  uniform(stdv, 1, self.weight)
  return self
end

function Mul:updateOutput(input)
  dims.check(input)
  return torch.cmul(input, self.weight)
end
