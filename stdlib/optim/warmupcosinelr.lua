--- The learning rate up in a line, then along half a cosine down: as language models are trained.
local torch = require 'torch'
require 'optim.schedule'

local package = {}
local WarmupCosineLR = torch.class('optim.WarmupCosineLR', 'optim.Schedule', package)

--- options: warmup_steps, until the full rate; total_steps, until the last one; min_factor = 0, the
-- last rate as part of the full one.
function WarmupCosineLR:__init(optimizer, options)
  self:setup('WarmupCosineLR', optimizer, options, {min_factor = 0}, {warmup_steps = 'number',
    total_steps = 'number'})
  options = self.options
  if options.warmup_steps < 0 or options.total_steps <= options.warmup_steps then
    error(('optim.WarmupCosineLR: total_steps must be above warmup_steps, got %g and %g'):format(
      options.total_steps, options.warmup_steps), 3)
  end
  self:apply()
end

-- The first step has a rate already: t + 1.
function WarmupCosineLR:rate(t, base)
  local options = self.options
  if t < options.warmup_steps then return base * (t + 1) / options.warmup_steps end
  local part = math.min((t - options.warmup_steps) / (options.total_steps - options.warmup_steps),
    1)
  local low = options.min_factor
  return base * (low + (1 - low) * (1 + math.cos(math.pi * part)) / 2)
end

return package
