--- Base of the schedules of learning rates. A class defines rate(t, base): the rate after t steps.
--
--   local schedule = optim.CosineAnnealingLR(optimizer, {T_max = 100})
--   for ... do optimizer:step() schedule:step() end
--
-- In the place of the optimizer may stand the config of a functional method, whose learningRate
-- is then set.
local torch = require 'torch'

local package = {}
local Schedule = torch.class('optim.Schedule', package)

-- Where the rate stands.
local function target_of(name, optimizer)
  if type(optimizer) == 'table' and torch.isTypeOf(optimizer, 'optim.Optimizer') then
    return optimizer.options, 'lr'
  end
  if type(optimizer) == 'table' and type(optimizer.learningRate) == 'number' then
    return optimizer, 'learningRate'
  end
  error(('optim.%s: an optimizer, or a config with its learningRate, expected, got %s'):format(name,
    torch.type(optimizer)), 4)
end

local function describe(value)
  return type(value) == 'table' and 'table' or tostring(value)
end

-- required: names of options without a default, and their types.
local function read_options(name, given, defaults, required)
  local options = {}
  for key, value in pairs(defaults) do options[key] = value end
  for key, value in pairs(given or {}) do
    local kind = required[key] or defaults[key] ~= nil and type(defaults[key])
    if not kind then
      local known = {}
      for option in pairs(defaults) do known[#known + 1] = option end
      for option in pairs(required) do known[#known + 1] = option end
      table.sort(known)
      error(("optim.%s: no option '%s'; there are %s"):format(name, tostring(key),
        table.concat(known, ', ')), 4)
    end
    if type(value) ~= kind then
      error(('optim.%s: option %s must be a %s, got %s'):format(name, key, kind,
        describe(value)), 4)
    end
    options[key] = value
  end
  for key, kind in pairs(required) do
    if options[key] == nil then
      error(('optim.%s: option %s, a %s, is missing'):format(name, key, kind), 4)
    end
  end
  return options
end

--- For the classes: the optimizer, what the user gave, defaults, and what must be given.
function Schedule:setup(name, optimizer, given, defaults, required)
  self.target, self.key = target_of(name, optimizer)
  self.options = read_options(name, given, defaults or {}, required or {})
  self.base, self.steps = self.target[self.key], 0
end

--- Sets the rate of the time at which the schedule is.
function Schedule:apply()
  self.target[self.key] = self:rate(self.steps, self.base)
end

--- To be called after each step, or each epoch, whatever the options count.
function Schedule:step()
  self.steps = self.steps + 1
  self:apply()
end

--- The learning rate now.
function Schedule:get_lr()
  return self.target[self.key]
end

--- All that a checkpoint needs to go on, together with the optimizer's; load_state_dict takes it.
function Schedule:state_dict()
  local dict = {}
  for key, value in pairs(self) do
    if key ~= 'target' and key ~= 'key' and type(value) ~= 'function' then dict[key] = value end
  end
  return dict
end

function Schedule:load_state_dict(dict)
  if type(dict) ~= 'table' or type(dict.steps) ~= 'number' then
    error('load_state_dict: what state_dict of a schedule gave expected, got ' .. torch.type(dict),
      2)
  end
  for key, value in pairs(dict) do self[key] = value end
end

return {Schedule = package.Schedule}
