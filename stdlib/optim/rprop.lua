--- Steps of their own size along the sign of the gradient: larger while it stays, smaller when it
-- changes. For whole batches. Riedmiller, Braun 1993.
local torch = require 'torch'
require 'optim.optimizer'

local package = {}
local Rprop = torch.class('optim.Rprop', 'optim.Optimizer', package)

local DEFAULTS = {lr = 1e-2, etas = {0.5, 1.2}, step_sizes = {1e-6, 50}}

--- parameters: as model:parameters() gives them.
-- options: lr = 1e-2, the first step size; etas = {0.5, 1.2}, its factors; step_sizes = {1e-6, 50},
-- its bounds.
function Rprop:__init(parameters, options)
  self:setup('Rprop', parameters, options, DEFAULTS)
end

-- state: delta, the gradient before, and stepsize, for each element.
local function move(x, gradient, state, shrink, grow, least, most)
  local sign = torch.cmul(gradient, state.delta):sign()
  local factor = torch.ones_like(sign)
  factor:maskedFill(sign:gt(0), grow):maskedFill(sign:lt(0), shrink)
  state.stepsize:cmul(factor):clamp(least, most)
  state.delta:copy(gradient):maskedFill(sign:lt(0), 0)
  x:addcmul(-1, torch.sign(state.delta), state.stepsize)
end

local function begin(x, state, size)
  if state.delta then return end
  state.delta, state.stepsize = torch.zeros_like(x), torch.zeros_like(x):fill(size)
end

Rprop.update = Rprop.unrecorded(function(_, parameter, gradient, state, options)
  begin(parameter, state, options.lr)
  move(parameter, gradient, state, options.etas[1], options.etas[2], options.step_sizes[1],
    options.step_sizes[2])
end)

--- x, {f...} = optim.rprop(opfunc, x, config [, state]), as in Torch7.
-- config: stepsize = 0.1, etaplus = 1.2, etaminus = 0.5, stepsizemax = 50, stepsizemin = 1e-6,
-- niter = 1, steps in one call.
local function rprop(opfunc, x, config, state)
  config = config or {}
  state = state or config
  local values = {}
  for i = 1, config.niter or 1 do
    local value, gradient = opfunc(x)
    values[i] = value
    torch.no_grad(function()
      -- Without a state of its own the table holds stepsize already, a number.
      if state.delta == nil then
        state.delta = torch.zeros_like(x)
        state.stepsize = torch.zeros_like(x):fill(config.stepsize or 0.1)
      end
      move(x, gradient, state, config.etaminus or 0.5, config.etaplus or 1.2,
        config.stepsizemin or 1e-6, config.stepsizemax or 50)
    end)
  end
  return x, values
end

return {Rprop = package.Rprop, rprop = rprop}
