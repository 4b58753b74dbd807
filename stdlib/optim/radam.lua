--- Adam that waits until its second moment is known well enough. Liu et al. 2020.
local torch = require 'torch'
require 'optim.optimizer'

local package = {}
local RAdam = torch.class('optim.RAdam', 'optim.Optimizer', package)

local DEFAULTS = {lr = 1e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0}

--- parameters: as model:parameters() gives them.
-- options: lr = 1e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0.
function RAdam:__init(parameters, options)
  self:setup('RAdam', parameters, options, DEFAULTS)
  self:check_betas('RAdam')
end

-- The factor of an adaptive step at time t, or nothing: then the step is not adaptive.
local function rectification(beta2, t)
  local most = 2 / (1 - beta2) - 1
  local length = most - 2 * t * beta2 ^ t / (1 - beta2 ^ t)
  if length <= 5 then return nil end
  return math.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
end

RAdam.update = RAdam.unrecorded(function(self, parameter, gradient, state, options)
  gradient = self.decayed(parameter, gradient, options)
  if not state.m then
    state.m, state.v, state.t = torch.zeros_like(parameter), torch.zeros_like(parameter), 0
  end
  local beta1, beta2 = options.betas[1], options.betas[2]
  local t = state.t + 1
  state.t = t
  state.m:mul(beta1):add(1 - beta1, gradient)
  state.v:mul(beta2):addcmul(1 - beta2, gradient, gradient)
  local rate, factor = options.lr / (1 - beta1 ^ t), rectification(beta2, t)
  if not factor then
    parameter:add(-rate, state.m)
    return
  end
  parameter:addcdiv(-rate * factor * math.sqrt(1 - beta2 ^ t), state.m,
    torch.sqrt(state.v):add(options.eps))
end)

return package
