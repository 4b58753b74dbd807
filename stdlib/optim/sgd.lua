--- Gradient descent with momentum.
local torch = require 'torch'
require 'optim.optimizer'

local package = {}
local SGD = torch.class('optim.SGD', 'optim.Optimizer', package)

local DEFAULTS = {lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0, nesterov = false}

function SGD:keeps_nothing() return self.options.momentum == 0 end

--- parameters: as model:parameters() gives them.
-- options: lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0, nesterov = false.
function SGD:__init(parameters, options)
  self:setup('SGD', parameters, options, DEFAULTS)
  options = self.options
  if options.nesterov and (options.momentum <= 0 or options.dampening ~= 0) then
    error('optim.SGD: nesterov needs a momentum above 0 and no dampening', 3)
  end
end

function SGD:update_many(updates, options)
  local momentum = options.momentum
  self.together(updates, function(state, parameter)
    if momentum == 0 then return false end
    local first = not state.velocity
    if first then state.velocity = torch.zeros_like(parameter) end
    return first, state.velocity
  end, function(first, list)
    torch.sgd_steps(list, options.lr, momentum, options.dampening, options.weight_decay,
      options.nesterov, first)
  end, function(parameter, gradient, state)
    self:update(parameter, gradient, state, options)
  end)
end

function SGD:update(parameter, gradient, state, options)
  local momentum = options.momentum
  local first = momentum ~= 0 and not state.velocity
  if first then state.velocity = torch.zeros_like(parameter) end
  self.contiguously(parameter, gradient, function(x, dx)
    x:sgd_step(dx, momentum ~= 0 and state.velocity or nil, options.lr, momentum,
      options.dampening, options.weight_decay, options.nesterov, first)
  end)
end

SGD.many_of = SGD.update

-- ---------------------------------------------------------------------------------------------

-- The direction of the step; keeps the velocity in the state.
local function direction(gradient, config, state)
  local momentum = config.momentum or 0
  if momentum == 0 then return gradient end
  local dampening = config.dampening or momentum
  if state.dfdx then
    state.dfdx:mul(momentum):add(1 - dampening, gradient)
  else
    state.dfdx = gradient:clone()
  end
  return config.nesterov and gradient:add(momentum, state.dfdx) or state.dfdx
end

local function step(x, gradient, config, state)
  if (config.weightDecay or 0) ~= 0 then
    gradient:add(config.weightDecay, x)
  elseif config.weightDecays then
    gradient:addcmul(1, config.weightDecays, x)
  end
  local move = direction(gradient, config, state)
  local decay = config.learningRateDecay or 0
  local rate = (config.learningRate or 1e-3) / (1 + state.evalCounter * decay)
  if config.learningRates then
    x:addcmul(-rate, config.learningRates, move)
  else
    x:add(-rate, move)
  end
  state.evalCounter = state.evalCounter + 1
end

--- x, {f} = optim.sgd(opfunc, x, config [, state]), as in Torch7: opfunc(x) returns f and its
-- gradient; x changes in place.
-- config: learningRate = 1e-3, learningRateDecay, weightDecay, weightDecays (one for each element),
-- momentum, dampening (= momentum), nesterov, learningRates (one for each element).
local function sgd(opfunc, x, config, state)
  config = config or {}
  state = state or config
  state.evalCounter = state.evalCounter or 0
  if config.nesterov and ((config.momentum or 0) <= 0 or config.dampening ~= 0) then
    error('optim.sgd: nesterov needs a momentum above 0 and dampening = 0', 2)
  end
  if (config.weightDecay or 0) ~= 0 and config.weightDecays then
    error('optim.sgd: either weightDecay or weightDecays, not both', 2)
  end
  local value, gradient = opfunc(x)
  torch.no_grad(step, x, gradient, config, state)
  return x, {value}
end

return {SGD = package.SGD, sgd = sgd}
