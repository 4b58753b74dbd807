--- Mixed precision in float16: small gradients would become 0, so the loss is multiplied by a large
-- number before backward, and the gradients are divided by it before the optimizer's step. A step
-- whose gradients are infinite or NaN is left out, and the number made smaller; after many good
-- ones in a row it grows (Micikevicius et al. 2018). On any device.
--
--   scaler = torch.GradScaler()
--   scaler:scale(loss):backward()     or model:backward(x, scaler:scale(criterion:backward(y, t)))
--   scaler:step(optimizer)            or scaler:step(optim.sgd, feval, params, config [, state])
--   scaler:update()
local class = require 'torch.class'
local core = require 'torch.core'

local DEFAULTS = {init_scale = 65536, growth_factor = 2, backoff_factor = 0.5,
  growth_interval = 2000, enabled = true}

local package = {}
local GradScaler = class.class('torch.GradScaler', package)

local function read_options(given)
  local options = {}
  for name, value in pairs(DEFAULTS) do options[name] = value end
  for name, value in pairs(given or {}) do
    if type(value) ~= type(DEFAULTS[name]) then
      error(DEFAULTS[name] == nil and ("torch.GradScaler: no option '%s'"):format(tostring(name))
        or ('torch.GradScaler: %s: a %s expected, got %s'):format(name, type(DEFAULTS[name]),
          tostring(value)), 4)
    end
    options[name] = value
  end
  if not (options.init_scale > 0 and options.growth_factor > 1 and options.backoff_factor > 0
      and options.backoff_factor < 1 and options.growth_interval >= 1) then
    error('torch.GradScaler: init_scale above 0, growth_factor above 1, backoff_factor between 0 '
      .. 'and 1 and growth_interval from 1 on expected', 4)
  end
  return options
end

--- torch.GradScaler{init_scale = 65536, growth_factor = 2, backoff_factor = 0.5, growth_interval =
-- 2000, enabled = true}: with enabled = false all of it does nothing.
function GradScaler:__init(options)
  if type(options) == 'string' then options = nil end -- PyTorch names a device
  options = read_options(options)
  self.growth_factor, self.backoff_factor = options.growth_factor, options.backoff_factor
  self.growth_interval, self.enabled = options.growth_interval, options.enabled
  self.current, self.good_steps = options.init_scale, 0
  self.seen = {} -- optimizers: what was found in their gradients since the last update
end

--- The loss, or a gradient, or a table of such, times the scale.
function GradScaler:scale(value)
  if not self.enabled then return value end
  if type(value) == 'table' then
    local out = {}
    for key, part in pairs(value) do out[key] = self:scale(part) end
    return out
  end
  if core.is_tensor(value) then return core.mul(value, self.current) end
  if type(value) == 'number' then return value * self.current end
  error(('GradScaler.scale: a tensor, a number or a table of them expected, got %s'):format(
    class.type(value)), 2)
end

-- ---------------------------------------------------------------------------------------------
-- Gradients.

-- {0} where all of it is finite, {NaN} where not: 0 times infinity is none.
local function check_of(gradient)
  return core.mul(gradient:reshape(gradient:nElement()), 0):sum(1):to('float32')
end

-- Divides the gradients by the scale; are they finite? One number is read for each device.
local function unscale(gradients, scale)
  local checks = {}
  for _, gradient in ipairs(gradients) do
    if gradient:nElement() > 0 then
      gradient:mul(1 / scale)
      local device = gradient.device
      checks[device] = checks[device] or {}
      table.insert(checks[device], check_of(gradient))
    end
  end
  local finite = true
  for _, list in pairs(checks) do
    local sum = #list == 1 and list[1][1] or core.cat(list, 1):sum()
    finite = finite and sum == 0
  end
  return finite
end

local function unrecorded(gradients, scale)
  local was = core.set_grad_enabled(false)
  local ok, result = pcall(unscale, gradients, scale)
  core.set_grad_enabled(was)
  if not ok then error(result, 0) end
  return result
end

-- The gradients of an optimizer's parameters, of a model, of a list of parameters, or of one.
local function gradients_of(target)
  local parameters = target
  if core.is_tensor(target) then
    parameters = {target}
  elseif type(target) == 'table' and type(target.parameters) == 'function' then
    parameters = (target:parameters())
  elseif type(target) == 'table' and type(target.parameters) == 'table' then
    parameters = target.parameters
  end
  if type(parameters) ~= 'table' or #parameters > 0 and not core.is_tensor(parameters[1]) then
    error(('GradScaler: an optimizer, such as optim.SGD makes it, or a list of parameters '
      .. 'expected, got %s'):format(class.type(target)), 3)
  end
  local list = {}
  for _, parameter in ipairs(parameters) do list[#list + 1] = parameter.grad end
  return list
end

--- Divides the gradients already, for those who want to see or clip them before the step.
function GradScaler:unscale_(optimizer)
  if not self.enabled then return end
  if self.seen[optimizer] then
    error('GradScaler.unscale_: this optimizer had it since the last update', 2)
  end
  self.seen[optimizer] = {finite = unrecorded(gradients_of(optimizer), self.current)}
end

-- Torch7's optimizers: the gradient is what feval returns.
local function functional_step(self, method, feval, x, config, state)
  if not self.enabled then return method(feval, x, config, state) end
  local value, gradient = feval(x)
  local finite = unrecorded({gradient}, self.current)
  self.seen[method] = {finite = finite}
  if not finite then return x, {value} end
  return method(function() return value, gradient end, x, config, state)
end

--- The optimizer's step, unless a gradient is infinite or NaN. step(optim.sgd, feval, x, config,
-- state) is the same of Torch7's functions of one evaluation.
function GradScaler:step(optimizer, ...)
  if type(optimizer) == 'function' then return functional_step(self, optimizer, ...) end
  if type(optimizer) ~= 'table' or type(optimizer.step) ~= 'function' then
    error(('GradScaler.step: an optimizer expected, got %s'):format(class.type(optimizer)), 2)
  end
  if not self.enabled then return optimizer:step(...) end
  if not self.seen[optimizer] then self:unscale_(optimizer) end
  local seen = self.seen[optimizer]
  if seen.stepped then
    error('GradScaler.step: this optimizer has made its step since the last update', 2)
  end
  seen.stepped = true
  if seen.finite then return optimizer:step(...) end
end

--- After all steps of an iteration: the scale for the next one, or the one that is given.
function GradScaler:update(scale)
  if not self.enabled then return end
  if scale ~= nil and not (type(scale) == 'number' and scale > 0) then
    error(('GradScaler.update: a number above 0 expected, got %s'):format(tostring(scale)), 2)
  end
  local finite = true
  for _, seen in pairs(self.seen) do finite = finite and seen.finite end
  if scale then
    self.current = scale
  elseif not finite then
    self.current, self.good_steps = self.current * self.backoff_factor, 0
  elseif next(self.seen) ~= nil then
    self.good_steps = self.good_steps + 1
    if self.good_steps >= self.growth_interval then
      local grown = self.current * self.growth_factor
      self.current, self.good_steps = grown < math.huge and grown or self.current, 0
    end
  end
  self.seen = {}
end

-- ---------------------------------------------------------------------------------------------

function GradScaler:get_scale() return self.enabled and self.current or 1 end
function GradScaler:is_enabled() return self.enabled end
for _, name in ipairs {'growth_factor', 'backoff_factor', 'growth_interval'} do
  GradScaler['get_' .. name] = function(self) return self[name] end
  GradScaler['set_' .. name] = function(self, value)
    local options = {[name] = value}
    read_options(options)
    self[name] = value
  end
end

--- What a checkpoint needs to go on: load_state_dict takes it.
function GradScaler:state_dict()
  if not self.enabled then return {} end
  return {scale = self.current, growth_factor = self.growth_factor,
    backoff_factor = self.backoff_factor, growth_interval = self.growth_interval,
    growth_tracker = self.good_steps}
end

function GradScaler:load_state_dict(dict)
  if not self.enabled then return end
  if type(dict) ~= 'table' or type(dict.scale) ~= 'number' then
    error('GradScaler.load_state_dict: what state_dict gave expected, got ' .. type(dict), 2)
  end
  self.current, self.good_steps = dict.scale, dict.growth_tracker
  self.growth_factor, self.backoff_factor = dict.growth_factor, dict.backoff_factor
  self.growth_interval = dict.growth_interval
end

function GradScaler:__tostring__()
  return ('torch.GradScaler(%g)'):format(self:get_scale())
end

return package.GradScaler
