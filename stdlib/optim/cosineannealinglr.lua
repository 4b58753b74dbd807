--- The learning rate along half a cosine down to eta_min. Loshchilov, Hutter 2017.
local torch = require 'torch'
require 'optim.schedule'

local package = {}
local CosineAnnealingLR = torch.class('optim.CosineAnnealingLR', 'optim.Schedule', package)

--- options: T_max, the steps it takes; eta_min = 0, the last rate.
function CosineAnnealingLR:__init(optimizer, options)
  self:setup('CosineAnnealingLR', optimizer, options, {eta_min = 0}, {T_max = 'number'})
end

function CosineAnnealingLR:rate(t, base)
  local low = self.options.eta_min
  return low + (base - low) * (1 + math.cos(math.pi * t / self.options.T_max)) / 2
end

return package
