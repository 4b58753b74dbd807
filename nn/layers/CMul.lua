--- Multiplies each example by a learned tensor, element by element. Where its size is 1 it is
-- repeated.
local torch = require 'torch'
local components = require 'nn.layers.components'
local uniform = require 'nn.layers.uniform'
require 'nn.Module'

local CMul = torch.class('nn.CMul', 'nn.Module')

--- nn.CMul(3, 1, 1), or the sizes in a table or a LongStorage.
function CMul:__init(...)
  self.size = components.size('CMul', ...)
  self:parameter('weight', self.size)
  self:reset()
end

function CMul:reset(stdv)
  uniform(stdv, 1 / math.sqrt(self.weight:nElement()), self.weight)
  return self
end

function CMul:updateOutput(input)
  return components.apply(torch.cmul, input, self.weight)
end
