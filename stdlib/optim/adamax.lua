--- Adam with the greatest gradient so far in the place of the mean of squares. Kingma, Ba 2015.
local torch = require 'torch'
local functional = require 'optim.functional'
require 'optim.optimizer'

local package = {}
local Adamax = torch.class('optim.Adamax', 'optim.Optimizer', package)

local DEFAULTS = {lr = 2e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0}

--- parameters: as model:parameters() gives them.
-- options: lr = 2e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0.
function Adamax:__init(parameters, options)
  self:setup('Adamax', parameters, options, DEFAULTS)
  self:check_betas('Adamax')
end

-- One step; m and u in the state change in place.
local function move(x, gradient, state, rate, beta1, beta2, epsilon)
  state.m:mul(beta1):add(1 - beta1, gradient)
  state.u:mul(beta2):cmax(torch.abs(gradient):add(epsilon))
  x:addcdiv(-rate / (1 - beta1 ^ state.t), state.m, state.u)
end

local function begin(x, state)
  state.t = (state.t or 0) + 1
  state.m, state.u = state.m or torch.zeros_like(x), state.u or torch.zeros_like(x)
end

Adamax.update = Adamax.unrecorded(function(self, parameter, gradient, state, options)
  begin(parameter, state)
  move(parameter, self.decayed(parameter, gradient, options), state, options.lr, options.betas[1],
    options.betas[2], options.eps)
end)

--- x, {f} = optim.adamax(opfunc, x, config [, state]), as in Torch7.
-- config: learningRate = 2e-3, learningRateDecay = 0, beta1 = 0.9, beta2 = 0.999,
-- epsilon = 1e-38, weightDecay = 0.
local adamax = functional.method(function(x, gradient, config, state)
  functional.decay(x, gradient, config)
  local rate = functional.rate(config, 2e-3, state.t or 0)
  begin(x, state)
  move(x, gradient, state, rate, config.beta1 or 0.9, config.beta2 or 0.999,
    config.epsilon or 1e-38)
end)

return {Adamax = package.Adamax, adamax = adamax}
