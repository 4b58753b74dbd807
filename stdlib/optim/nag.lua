--- Gradient descent whose gradient is taken where the momentum leads (Nesterov 1983; Sutskever et
-- al. 2013).
local torch = require 'torch'
local functional = require 'optim.functional'

local function move(x, gradient, config, state)
  if (config.weightDecay or 0) ~= 0 then
    gradient:add(config.weightDecay, x)
  elseif config.weightDecays then
    gradient:addcmul(1, config.weightDecays, x)
  end
  local rate = functional.rate(config, 1e-3, state.evalCounter)
  if config.learningRates then gradient = torch.cmul(gradient, config.learningRates) end
  if state.dfdx then
    state.dfdx:mul(config.momentum or 0.9)
  else
    state.dfdx = torch.zeros_like(x)
  end
  x:add(-rate, gradient)
  state.dfdx:add(-rate, gradient)
  state.evalCounter = state.evalCounter + 1
end

--- x, {f} = optim.nag(opfunc, x, config [, state]), as in Torch7.
-- config: learningRate = 1e-3, learningRateDecay = 0, momentum = 0.9, weightDecay, weightDecays
-- (one for each element), learningRates (one for each element).
local function nag(opfunc, x, config, state)
  config = config or {}
  state = state or config
  state.evalCounter = state.evalCounter or 0
  local momentum = config.momentum or 0.9
  if momentum <= 0 then
    error(('optim.nag: momentum must be above 0, got %g'):format(momentum), 2)
  end
  if (config.weightDecay or 0) ~= 0 and config.weightDecays then
    error('optim.nag: either weightDecay or weightDecays, not both', 2)
  end
  if state.dfdx then torch.no_grad(x.add, x, momentum, state.dfdx) end
  local value, gradient = opfunc(x)
  torch.no_grad(move, x, gradient, config, state)
  return x, {value}
end

return {nag = nag}
