--- The learning rate times what a function makes of the number of steps.
local torch = require 'torch'
require 'optim.schedule'

local package = {}
local LambdaLR = torch.class('optim.LambdaLR', 'optim.Schedule', package)

--- fn(t): the factor after t steps.
function LambdaLR:__init(optimizer, fn)
  if type(fn) ~= 'function' then
    error('optim.LambdaLR: a function expected, got ' .. torch.type(fn), 3)
  end
  self:setup('LambdaLR', optimizer)
  self.fn = fn
  self:apply()
end

function LambdaLR:rate(t, base)
  return base * self.fn(t)
end

return package
