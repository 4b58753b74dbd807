--- Adam with Nesterov's momentum. Dozat 2016.
local torch = require 'torch'
require 'optim.optimizer'

local package = {}
local NAdam = torch.class('optim.NAdam', 'optim.Optimizer', package)

local DEFAULTS = {lr = 2e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0,
  momentum_decay = 4e-3}

--- parameters: as model:parameters() gives them.
-- options: lr = 2e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0, momentum_decay = 4e-3.
function NAdam:__init(parameters, options)
  self:setup('NAdam', parameters, options, DEFAULTS)
  self:check_betas('NAdam')
end

NAdam.update = NAdam.unrecorded(function(self, parameter, gradient, state, options)
  gradient = self.decayed(parameter, gradient, options)
  if not state.m then
    state.m, state.v = torch.zeros_like(parameter), torch.zeros_like(parameter)
    state.t, state.product = 0, 1
  end
  local beta1, beta2 = options.betas[1], options.betas[2]
  local t = state.t + 1
  local function momentum(at) return beta1 * (1 - 0.5 * 0.96 ^ (at * options.momentum_decay)) end
  local now, next_one = momentum(t), momentum(t + 1)
  state.t, state.product = t, state.product * now
  state.m:mul(beta1):add(1 - beta1, gradient)
  state.v:mul(beta2):addcmul(1 - beta2, gradient, gradient)
  local scale = torch.sqrt(state.v / (1 - beta2 ^ t)):add(options.eps)
  parameter:addcdiv(-options.lr * (1 - now) / (1 - state.product), gradient, scale)
  parameter:addcdiv(-options.lr * next_one / (1 - state.product * next_one), state.m, scale)
end)

return package
