--- The learning rate times a factor whenever a measure has not got better for some time.
local torch = require 'torch'
require 'optim.schedule'

local package = {}
local ReduceLROnPlateau = torch.class('optim.ReduceLROnPlateau', 'optim.Schedule', package)

local DEFAULTS = {mode = 'min', factor = 0.1, patience = 10, threshold = 1e-4,
  threshold_mode = 'rel', cooldown = 0, min_lr = 0, eps = 1e-8}

--- options: mode = 'min', or 'max' where more is better; factor = 0.1; patience = 10, the steps
-- without improvement that are tolerated; threshold = 1e-4, the least improvement, and
-- threshold_mode = 'rel' for a part of the best value or 'abs'; cooldown = 0, steps of rest after a
-- reduction; min_lr = 0; eps = 1e-8, the least reduction.
function ReduceLROnPlateau:__init(optimizer, options)
  self:setup('ReduceLROnPlateau', optimizer, options, DEFAULTS)
  options = self.options
  local how = options.threshold_mode
  if how ~= 'rel' and how ~= 'abs' then
    error(("optim.ReduceLROnPlateau: threshold_mode is 'rel' or 'abs', got '%s'"):format(how), 3)
  end
  if options.mode ~= 'min' and options.mode ~= 'max' then
    error(("optim.ReduceLROnPlateau: mode is 'min' or 'max', got '%s'"):format(options.mode), 3)
  end
  if options.factor >= 1 then
    error(('optim.ReduceLROnPlateau: factor must be below 1, got %g'):format(options.factor), 3)
  end
  self.bad_steps, self.resting = 0, 0
end

local function is_better(value, best, options)
  if best == nil then return value == value end
  local sign = options.mode == 'min' and -1 or 1
  local least = options.threshold
  if options.threshold_mode == 'rel' then least = least * best end
  return sign * (value - best) > least
end

--- value: the measure, such as the loss on a validation set.
function ReduceLROnPlateau:step(value)
  if torch.isTensor(value) and value:nElement() == 1 then value = value:item() end
  if type(value) ~= 'number' then
    error('optim.ReduceLROnPlateau: step: a number expected, got ' .. torch.type(value), 2)
  end
  local options = self.options
  self.steps = self.steps + 1
  if is_better(value, self.best, options) then
    self.best, self.bad_steps = value, 0
  else
    self.bad_steps = self.bad_steps + 1
  end
  if self.resting > 0 then
    self.resting, self.bad_steps = self.resting - 1, 0
  end
  if self.bad_steps <= options.patience then return end
  self.resting, self.bad_steps = options.cooldown, 0
  local old = self.target[self.key]
  local new = math.max(old * options.factor, options.min_lr)
  if old - new > options.eps then self.target[self.key] = new end
end

return package
