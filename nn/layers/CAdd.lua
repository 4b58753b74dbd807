--- Adds a learned tensor to each example. Where its size is 1 it is repeated.
local torch = require 'torch'
local components = require 'nn.layers.components'
local uniform = require 'nn.layers.uniform'
require 'nn.Module'

local CAdd = torch.class('nn.CAdd', 'nn.Module')

--- nn.CAdd(3, 1, 1), or the sizes in a table or a LongStorage.
function CAdd:__init(...)
  self.size = components.size('CAdd', ...)
  self:parameter('bias', self.size)
  self:reset()
end

function CAdd:reset(stdv)
  uniform(stdv, 1 / math.sqrt(self.bias:nElement()), self.bias)
  return self
end

function CAdd:updateOutput(input)
  return components.apply(torch.add, input, self.bias)
end
