--- What Torch7's functional methods, x, {f} = optim.method(opfunc, x, config [, state]), share.
local torch = require 'torch'

local functional = {}

--- A method of one evaluation and one update a call: update(x, gradient, config, state).
function functional.method(update)
  return function(opfunc, x, config, state)
    config = config or {}
    state = state or config
    local value, gradient = opfunc(x)
    torch.no_grad(update, x, gradient, config, state)
    return x, {value}
  end
end

--- evaluate() for a method of several evaluations a call: the value of opfunc at x, a number, and
-- its gradient, a copy; and beside it x without history, for calculating in place.
function functional.evaluator(opfunc, x)
  local function evaluate()
    local value, gradient = opfunc(x)
    if type(value) == 'userdata' then value = value:item() end
    return value, gradient and gradient:detach():clone()
  end
  return evaluate, x:detach()
end

--- Adds config.weightDecay times x to the gradient, in place as in Torch7.
function functional.decay(x, gradient, config)
  local decay = config.weightDecay or 0
  if decay ~= 0 then gradient:add(decay, x) end
end

--- The learning rate after `count` steps.
function functional.rate(config, default, count)
  return (config.learningRate or default) / (1 + count * (config.learningRateDecay or 0))
end

-- What can be listed would become a part of optim.
return setmetatable({}, {__index = functional})
