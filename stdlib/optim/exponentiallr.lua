--- The learning rate times gamma after every step.
local torch = require 'torch'
require 'optim.schedule'

local package = {}
local ExponentialLR = torch.class('optim.ExponentialLR', 'optim.Schedule', package)

--- options: gamma.
function ExponentialLR:__init(optimizer, options)
  self:setup('ExponentialLR', optimizer, options, {}, {gamma = 'number'})
end

function ExponentialLR:rate(t, base)
  return base * self.options.gamma ^ t
end

return package
