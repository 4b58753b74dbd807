--- Adam, gradient descent with a step size for each element. Kingma and Ba 2015.
local torch = require 'torch'
require 'optim.optimizer'

local package = {}
local Adam = torch.class('optim.Adam', 'optim.Optimizer', package)

local DEFAULTS = {lr = 1e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0}

--- parameters: as model:parameters() gives them.
-- options: lr = 1e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0.
function Adam:__init(parameters, options)
  self:setup('Adam', parameters, options, DEFAULTS)
  self:check_betas('Adam')
end

local function moments(state, parameter)
  if not state.m then
    state.m, state.v, state.t = torch.zeros_like(parameter), torch.zeros_like(parameter), 0
  end
  state.t = state.t + 1
  local cuda = torch.cuda
  if cuda.is_current_stream_capturing and cuda.is_current_stream_capturing() then
    cuda.on_replay(function(n) -- the kernel counts by itself
      if n > 1 then state.t = state.t + 1 end
    end)
  end
  return state.t, state.m, state.v
end

--- One step. decay is added to the gradient, `decoupled` shrinks the parameter.
function Adam:advance(parameter, gradient, state, options, decay, decoupled)
  local t = moments(state, parameter)
  local betas = options.betas
  if parameter:isContiguous() and gradient:isContiguous() then
    parameter:adam_step(gradient, state.m, state.v, options.lr, betas[1], betas[2], options.eps,
      decay, decoupled, t)
    return
  end
  self.contiguously(parameter, gradient, function(x, dx)
    x:adam_step(dx, state.m, state.v, options.lr, betas[1], betas[2], options.eps, decay,
      decoupled, t)
  end)
end

--- The same of many parameters on a GPU.
function Adam:advance_many(updates, options, decay, decoupled)
  local betas = options.betas
  self.together(updates, moments, function(t, list)
    torch.adam_steps(list, options.lr, betas[1], betas[2], options.eps, decay, decoupled, t)
  end, function(parameter, gradient, state)
    self:advance(parameter, gradient, state, options, decay, decoupled)
  end)
end

function Adam:update_many(updates, options)
  self:advance_many(updates, options, options.weight_decay, 0)
end

function Adam:update(parameter, gradient, state, options)
  self:advance(parameter, gradient, state, options, options.weight_decay, 0)
end

Adam.many_of = Adam.update

-- ---------------------------------------------------------------------------------------------

local function step(x, gradient, config, state)
  local beta1, beta2 = config.beta1 or 0.9, config.beta2 or 0.999
  local decay = config.learningRateDecay or 0
  local rate = (config.learningRate or 1e-3) / (1 + state.t * decay)
  state.t = state.t + 1
  state.m = state.m or torch.zeros_like(x)
  state.v = state.v or torch.zeros_like(x)
  -- Torch7 adds epsilon before it corrects the second moment, the kernel afterwards.
  local epsilon = (config.epsilon or 1e-8) / math.sqrt(1 - beta2 ^ state.t)
  x:adam_step(gradient, state.m, state.v, rate, beta1, beta2, epsilon, config.weightDecay or 0, 0,
    state.t)
end

--- x, {f} = optim.adam(opfunc, x, config [, state]), as in Torch7: opfunc(x) returns f and its
-- gradient; x changes in place.
-- config: learningRate = 1e-3, learningRateDecay = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8,
-- weightDecay = 0.
local function adam(opfunc, x, config, state)
  config = config or {}
  state = state or config
  state.t = state.t or 0
  local value, gradient = opfunc(x)
  torch.no_grad(package.Adam.contiguously, x, gradient, function(values, slope)
    step(values, slope, config, state)
  end)
  return x, {value}
end

return {Adam = package.Adam, adam = adam}
