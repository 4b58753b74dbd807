--- Gradient descent whose result is the average of all later positions. Polyak, Juditsky 1992.
local torch = require 'torch'
local functional = require 'optim.functional'
require 'optim.optimizer'

local package = {}
local ASGD = torch.class('optim.ASGD', 'optim.Optimizer', package)

local DEFAULTS = {lr = 1e-2, lambd = 1e-4, alpha = 0.75, t0 = 1e6, weight_decay = 0}

--- parameters: as model:parameters() gives them.
-- options: lr = 1e-2; lambd = 1e-4, a decay; alpha = 0.75, of the rate; t0 = 1e6, the step at which
-- the average begins; weight_decay = 0. The average is state[i].ax of parameter i.
function ASGD:__init(parameters, options)
  self:setup('ASGD', parameters, options, DEFAULTS)
end

local function move(x, gradient, state, rate, lambda, alpha, t0)
  if not state.ax then
    state.ax, state.eta_t, state.mu_t, state.t = torch.zeros_like(x), rate, 1, 0
  end
  x:mul(1 - lambda * state.eta_t):add(-state.eta_t, gradient)
  state.ax:mul(1 - state.mu_t):add(state.mu_t, x)
  state.t = state.t + 1
  state.eta_t = rate / (1 + lambda * rate * state.t) ^ alpha
  state.mu_t = 1 / math.max(1, state.t - t0)
end

ASGD.update = ASGD.unrecorded(function(self, parameter, gradient, state, options)
  move(parameter, self.decayed(parameter, gradient, options), state, options.lr, options.lambd,
    options.alpha, options.t0)
end)

local step = functional.method(function(x, gradient, config, state)
  move(x, gradient, state, config.eta0 or 1e-4, config.lambda or 1e-4, config.alpha or 0.75,
    config.t0 or 1e6)
end)

--- x, {f}, average = optim.asgd(opfunc, x, config [, state]), as in Torch7.
-- config: eta0 = 1e-4, lambda = 1e-4, alpha = 0.75, t0 = 1e6.
local function asgd(opfunc, x, config, state)
  state = state or config or {}
  local _, values = step(opfunc, x, config or state, state)
  return x, values, state.ax
end

return {ASGD = package.ASGD, asgd = asgd}
