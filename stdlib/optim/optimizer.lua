--- Base of the optimizers that are objects. A class defines update(parameter, gradient, state,
-- options); `state` is a table for each parameter, filled by the class.
local torch = require 'torch'

local package = {}
local Optimizer = torch.class('optim.Optimizer', package)

-- A list of tensors, each once: parameters may be shared by modules.
local function distinct(name, list)
  if type(list) == 'table' and type(list.parameters) == 'function' then list = list:parameters() end
  if torch.isTensor(list) then list = {list} end
  if type(list) ~= 'table' or not torch.isTensor(list[1]) then
    error(('optim.%s: a list of parameters expected, as model:parameters() gives it'):format(name),
      4)
  end
  local seen, out = {}, {}
  for _, tensor in ipairs(list) do
    local key = torch.pointer(tensor)
    if not tensor.requires_grad or not tensor.is_leaf then
      error(('optim.%s: parameter %d has no gradient: set its requires_grad'):format(name,
        #out + 1), 4)
    end
    if not seen[key] then out[#out + 1] = tensor end
    seen[key] = true
  end
  return out
end

-- `optim.SGD(model:parameters())` passes the gradients, too: these are no options.
local function read_options(name, given, defaults)
  local options = {}
  for key, value in pairs(defaults) do options[key] = value end
  if given == nil or torch.isTensor(given[1]) then return options end
  for key, value in pairs(given) do
    if defaults[key] == nil then
      local known = {}
      for option in pairs(defaults) do known[#known + 1] = option end
      table.sort(known)
      error(("optim.%s: no option '%s'; there are %s"):format(name, tostring(key),
        table.concat(known, ', ')), 4)
    end
    if type(value) ~= type(defaults[key]) then
      error(('optim.%s: option %s must be a %s, got %s'):format(name, key, type(defaults[key]),
        type(value)), 4)
    end
    options[key] = value
  end
  if options.lr < 0 or options.lr ~= options.lr then
    error(('optim.%s: lr must not be below 0, got %s'):format(name, tostring(options.lr)), 4)
  end
  return options
end

--- For the classes: name, what the user gave, and the options with their defaults.
function Optimizer:setup(name, parameters, given, defaults)
  self.options = read_options(name, given, defaults)
  self.parameters = distinct(name, parameters)
  self.state = {}
  self.steps = 0
end

--- Raises unless the two betas are fit for running means.
function Optimizer:check_betas(name)
  for i = 1, 2 do
    local beta = self.options.betas[i]
    if type(beta) ~= 'number' or not (beta >= 0 and beta < 1) then
      error(('optim.%s: beta %d must be from 0 to below 1, got %s'):format(name, i,
        tostring(beta)), 4)
    end
  end
end

--- An `update` for a class, which calculates with parameters without recording that.
function Optimizer.unrecorded(update)
  return function(...) return torch.no_grad(update, ...) end
end

--- The gradient, with the weight decay of the options; the parameter's own stays as it is.
function Optimizer.decayed(parameter, gradient, options)
  if options.weight_decay == 0 then return gradient end
  return torch.add(gradient, options.weight_decay, parameter)
end

--- Does a step keep nothing of its own for the next one?
function Optimizer:keeps_nothing() return false end

-- What is kept has to be there before: a captured graph would begin it anew at each replay.
local function new_state(self)
  local capturing = torch.cuda.is_current_stream_capturing
  if capturing and capturing() and not self:keeps_nothing() then
    error('step: the first one cannot be captured: take it before, as '
      .. 'torch.cuda.graph({warmup = 1}, ...) does', 3)
  end
  return {}
end

--- Sets all gradients to zero, in place.
function Optimizer:zero_grad()
  local parameters = self.parameters
  for i = 1, #parameters do
    local gradient = parameters[i].grad
    if gradient then gradient:zero() end
  end
end

--- One step along the gradients; parameters that have none stay as they are. Classes that define
-- update_many(list of {parameter, gradient, state}, options), and many_of, the update that it
-- stands for, get those on a GPU at once.
function Optimizer:step()
  self.steps = self.steps + 1
  local parameters, states, options = self.parameters, self.state, self.options
  local many = self.update_many and self.update == self.many_of and {}
  for i = 1, #parameters do
    local parameter = parameters[i]
    local gradient = parameter.grad
    if gradient then
      local state = states[i]
      if not state then
        state = new_state(self)
        states[i] = state
      end
      if many and parameter.device ~= 'cpu' then
        many[#many + 1] = {parameter, gradient, state}
      else
        self:update(parameter, gradient, state, options)
      end
    end
  end
  if many and #many > 0 then self:update_many(many, options) end
end

--- For update_many: run(key, list of tensors) for all updates of one device and one `key` that a
-- kernel takes as they lie; update(parameter, gradient, state) for the others. tensors(state,
-- parameter) gives the key and what of the state the kernel wants.
function Optimizer.together(updates, tensors, run, update)
  local lists, order = {}, {}
  for _, one in ipairs(updates) do
    local parameter, gradient, state = one[1], one[2], one[3]
    if parameter:isContiguous() and gradient:isContiguous() then
      local key, first, second = tensors(state, parameter)
      local place = parameter.device .. ' ' .. tostring(key)
      local group = lists[place]
      if not group then
        group = {key = key, list = {}}
        lists[place] = group
        order[#order + 1] = group
      end
      local list = group.list
      list[#list + 1] = parameter
      list[#list + 1] = gradient
      list[#list + 1] = first
      list[#list + 1] = second
    else
      update(parameter, gradient, state)
    end
  end
  for _, group in ipairs(order) do torch.no_grad(run, group.key, group.list) end
end

-- The fused kernels want contiguous tensors; others take a way round.
function Optimizer.contiguously(parameter, gradient, fn)
  if not gradient:isContiguous() then gradient = gradient:contiguous() end
  if parameter:isContiguous() then return fn(parameter, gradient) end
  local copy = torch.no_grad(parameter.contiguous, parameter)
  fn(copy, gradient)
  parameter:copy(copy)
end

--- All that a checkpoint needs to go on: load_state_dict takes it.
function Optimizer:state_dict()
  local state = {}
  for i = 1, #self.parameters do state[i] = self.state[i] or false end
  return {steps = self.steps, state = state, options = self.options}
end

local function check_state(self, dict)
  if type(dict) ~= 'table' or type(dict.state) ~= 'table' or #dict.state ~= #self.parameters then
    error(('load_state_dict: the state of %d parameters expected, got %s'):format(
      #self.parameters, type(dict) == 'table' and type(dict.state) == 'table'
      and tostring(#dict.state) or type(dict)), 3)
  end
  for i, parameter in ipairs(self.parameters) do
    for key, value in pairs(dict.state[i] or {}) do
      if torch.isTensor(value) and value:nElement() ~= parameter:nElement() then
        error(('load_state_dict: %s of parameter %d has %d elements, the parameter %d'):format(key,
          i, value:nElement(), parameter:nElement()), 3)
      end
    end
  end
end

--- Takes over what state_dict of another optimizer of this class has given.
function Optimizer:load_state_dict(dict)
  check_state(self, dict)
  self.steps = dict.steps
  for key, value in pairs(dict.options) do self.options[key] = value end
  for i = 1, #self.parameters do
    local copy = {}
    for key, value in pairs(dict.state[i] or {}) do
      copy[key] = torch.isTensor(value) and value:clone() or value
    end
    self.state[i] = dict.state[i] and copy or nil
  end
end

return {Optimizer = package.Optimizer}
