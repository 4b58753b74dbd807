--- Gradient descent by the root of the sum of all squares so far. Duchi et al. 2011.
local torch = require 'torch'
local functional = require 'optim.functional'
require 'optim.optimizer'

local package = {}
local Adagrad = torch.class('optim.Adagrad', 'optim.Optimizer', package)

local DEFAULTS = {lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0,
  eps = 1e-10}

--- parameters: as model:parameters() gives them.
-- options: lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10.
function Adagrad:__init(parameters, options)
  self:setup('Adagrad', parameters, options, DEFAULTS)
end

Adagrad.update = Adagrad.unrecorded(function(self, parameter, gradient, state, options)
  gradient = self.decayed(parameter, gradient, options)
  if not state.sum then
    state.sum, state.t = torch.zeros_like(parameter):fill(options.initial_accumulator_value), 0
  end
  state.sum:addcmul(1, gradient, gradient)
  local rate = options.lr / (1 + state.t * options.lr_decay)
  state.t = state.t + 1
  parameter:addcdiv(-rate, gradient, torch.sqrt(state.sum):add(options.eps))
end)

--- x, {f} = optim.adagrad(opfunc, x, config [, state]), as in Torch7.
-- config: learningRate = 1e-3, learningRateDecay = 0, weightDecay = 0.
local adagrad = functional.method(function(x, gradient, config, state)
  functional.decay(x, gradient, config)
  state.evalCounter = state.evalCounter or 0
  local rate = functional.rate(config, 1e-3, state.evalCounter)
  if not state.paramVariance then
    state.paramVariance, state.paramStd = torch.zeros_like(x), torch.zeros_like(x)
  end
  state.paramVariance:addcmul(1, gradient, gradient)
  state.paramStd:copy(state.paramVariance):sqrt():add(1e-10)
  x:addcdiv(-rate, gradient, state.paramStd)
  state.evalCounter = state.evalCounter + 1
end)

return {Adagrad = package.Adagrad, adagrad = adagrad}
