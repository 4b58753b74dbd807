--- Steps as large as the steps before, by the size of the gradients before. Zeiler 2012.
local torch = require 'torch'
local functional = require 'optim.functional'
require 'optim.optimizer'

local package = {}
local Adadelta = torch.class('optim.Adadelta', 'optim.Optimizer', package)

local DEFAULTS = {lr = 1, rho = 0.9, eps = 1e-6, weight_decay = 0}

--- parameters: as model:parameters() gives them.
-- options: lr = 1, rho = 0.9, eps = 1e-6, weight_decay = 0.
function Adadelta:__init(parameters, options)
  self:setup('Adadelta', parameters, options, DEFAULTS)
end

local function begin(x, state)
  if state.paramVariance then return end
  for _, name in ipairs {'paramVariance', 'paramStd', 'delta', 'accDelta'} do
    state[name] = torch.zeros_like(x)
  end
end

local function move(x, gradient, state, rate, rho, epsilon)
  state.paramVariance:mul(rho):addcmul(1 - rho, gradient, gradient)
  state.paramStd:copy(state.paramVariance):add(epsilon):sqrt()
  state.delta:copy(state.accDelta):add(epsilon):sqrt():cdiv(state.paramStd):cmul(gradient)
  x:add(-rate, state.delta)
  state.accDelta:mul(rho):addcmul(1 - rho, state.delta, state.delta)
end

Adadelta.update = Adadelta.unrecorded(function(self, parameter, gradient, state, options)
  begin(parameter, state)
  move(parameter, self.decayed(parameter, gradient, options), state, options.lr, options.rho,
    options.eps)
end)

--- x, {f} = optim.adadelta(opfunc, x, config [, state]), as in Torch7.
-- config: rho = 0.9, eps = 1e-6, weightDecay = 0.
local adadelta = functional.method(function(x, gradient, config, state)
  functional.decay(x, gradient, config)
  begin(x, state)
  move(x, gradient, state, 1, config.rho or 0.9, config.eps or 1e-6)
  state.evalCounter = (state.evalCounter or 0) + 1
end)

return {Adadelta = package.Adadelta, adadelta = adadelta}
