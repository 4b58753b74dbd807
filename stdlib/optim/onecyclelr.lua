--- The learning rate up to a high one and down far below the first one, the momentum the other way.
-- Smith, Topin 2018.
local torch = require 'torch'
require 'optim.schedule'

local package = {}
local OneCycleLR = torch.class('optim.OneCycleLR', 'optim.Schedule', package)

local DEFAULTS = {pct_start = 0.3, anneal_strategy = 'cos', cycle_momentum = true,
  base_momentum = 0.85, max_momentum = 0.95, div_factor = 25, final_div_factor = 1e4}

--- options: max_lr; total_steps; pct_start = 0.3, the part of the steps that lead upward;
-- anneal_strategy = 'cos' or 'linear'; div_factor = 25, max_lr by the first rate;
-- final_div_factor = 1e4, the first rate by the last one; cycle_momentum = true, between
-- max_momentum = 0.95 and base_momentum = 0.85.
function OneCycleLR:__init(optimizer, options)
  self:setup('OneCycleLR', optimizer, options, DEFAULTS, {max_lr = 'number',
    total_steps = 'number'})
  local strategy = self.options.anneal_strategy
  if strategy ~= 'cos' and strategy ~= 'linear' then
    error(("optim.OneCycleLR: anneal_strategy is 'cos' or 'linear', got '%s'"):format(strategy), 3)
  end
  if self.options.total_steps < 2 then
    error(('optim.OneCycleLR: total_steps must be 2 or more, got %g'):format(
      self.options.total_steps), 3)
  end
  self:apply()
end

local function between(strategy, from, to, part)
  if strategy == 'linear' then return from + (to - from) * part end
  return to + (from - to) * (1 + math.cos(math.pi * part)) / 2
end

-- Along the cycle from `low` to `high` to `last`.
function OneCycleLR:value(t, low, high, last)
  local options = self.options
  local top, stop = options.pct_start * options.total_steps - 1, options.total_steps - 1
  if t <= top then
    return between(options.anneal_strategy, low, high, top > 0 and t / top or 1)
  end
  return between(options.anneal_strategy, high, last, math.min((t - top) / (stop - top), 1))
end

function OneCycleLR:rate(t)
  local options = self.options
  local first = options.max_lr / options.div_factor
  return self:value(t, first, options.max_lr, first / options.final_div_factor)
end

function OneCycleLR:apply()
  torch.getmetatable('optim.Schedule').apply(self)
  local options, target = self.options, self.target
  if not options.cycle_momentum then return end
  local momentum = self:value(self.steps, options.max_momentum, options.base_momentum,
    options.max_momentum)
  if target.betas then
    target.betas = {momentum, target.betas[2]}
  elseif target.momentum then
    target.momentum = momentum
  end
end

return package
