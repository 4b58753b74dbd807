--- The learning rate times a factor that goes in a line from start_factor to end_factor: a warm-up.
local torch = require 'torch'
require 'optim.schedule'

local package = {}
local LinearLR = torch.class('optim.LinearLR', 'optim.Schedule', package)

--- options: start_factor = 1/3; end_factor = 1; total_iters = 5, the steps in between.
function LinearLR:__init(optimizer, options)
  self:setup('LinearLR', optimizer, options, {start_factor = 1 / 3, end_factor = 1,
    total_iters = 5})
  self:apply()
end

function LinearLR:rate(t, base)
  local options = self.options
  local part = math.min(t / options.total_iters, 1)
  return base * (options.start_factor + (options.end_factor - options.start_factor) * part)
end

return package
