--- The learning rate times gamma after every step_size steps.
local torch = require 'torch'
require 'optim.schedule'

local package = {}
local StepLR = torch.class('optim.StepLR', 'optim.Schedule', package)

--- options: step_size; gamma = 0.1.
function StepLR:__init(optimizer, options)
  self:setup('StepLR', optimizer, options, {gamma = 0.1}, {step_size = 'number'})
end

function StepLR:rate(t, base)
  return base * self.options.gamma ^ math.floor(t / self.options.step_size)
end

return package
