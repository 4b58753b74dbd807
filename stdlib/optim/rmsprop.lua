--- Gradient descent by the root of a running mean of squares. Tieleman, Hinton 2012.
local torch = require 'torch'
local functional = require 'optim.functional'
require 'optim.optimizer'

local package = {}
local RMSprop = torch.class('optim.RMSprop', 'optim.Optimizer', package)

local DEFAULTS = {lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0,
  centered = false}

--- parameters: as model:parameters() gives them.
-- options: lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0; centered = false,
-- true for the deviation from the mean gradient.
function RMSprop:__init(parameters, options)
  self:setup('RMSprop', parameters, options, DEFAULTS)
end

local function divisor(state, gradient, options)
  local alpha, squares = options.alpha, state.square
  squares:mul(alpha):addcmul(1 - alpha, gradient, gradient)
  if options.centered then
    state.mean = state.mean or torch.zeros_like(squares)
    state.mean:mul(alpha):add(1 - alpha, gradient)
    squares = squares - torch.square(state.mean)
  end
  return torch.sqrt(squares):add(options.eps)
end

RMSprop.update = RMSprop.unrecorded(function(self, parameter, gradient, state, options)
  gradient = self.decayed(parameter, gradient, options)
  state.square = state.square or torch.zeros_like(parameter)
  local scale = divisor(state, gradient, options)
  if options.momentum == 0 then
    parameter:addcdiv(-options.lr, gradient, scale)
    return
  end
  state.velocity = state.velocity or torch.zeros_like(parameter)
  state.velocity:mul(options.momentum):addcdiv(1, gradient, scale)
  parameter:add(-options.lr, state.velocity)
end)

--- x, {f} = optim.rmsprop(opfunc, x, config [, state]), as in Torch7.
-- config: learningRate = 1e-2, alpha = 0.99, epsilon = 1e-8, weightDecay = 0, initialMean = 0.
local rmsprop = functional.method(function(x, gradient, config, state)
  functional.decay(x, gradient, config)
  local alpha = config.alpha or 0.99
  if not state.m then
    state.m = torch.zeros_like(x):fill(config.initialMean or 0)
    state.tmp = torch.zeros_like(x)
  end
  state.m:mul(alpha):addcmul(1 - alpha, gradient, gradient)
  state.tmp:copy(state.m):sqrt():add(config.epsilon or 1e-8)
  x:addcdiv(-(config.learningRate or 1e-2), gradient, state.tmp)
end)

return {RMSprop = package.RMSprop, rmsprop = rmsprop}
