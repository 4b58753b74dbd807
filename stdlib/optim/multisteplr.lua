--- The learning rate times gamma at each of some steps.
local torch = require 'torch'
require 'optim.schedule'

local package = {}
local MultiStepLR = torch.class('optim.MultiStepLR', 'optim.Schedule', package)

--- options: milestones, the numbers of those steps; gamma = 0.1.
function MultiStepLR:__init(optimizer, options)
  self:setup('MultiStepLR', optimizer, options, {gamma = 0.1}, {milestones = 'table'})
end

function MultiStepLR:rate(t, base)
  local passed = 0
  for _, milestone in ipairs(self.options.milestones) do
    if t >= milestone then passed = passed + 1 end
  end
  return base * self.options.gamma ^ passed
end

return package
