--- Limited-memory BFGS: a quasi-Newton method for whole batches (Liu, Nocedal 1989).
local torch = require 'torch'
local functional = require 'optim.functional'
require 'optim.optimizer'

-- The newest change of place and of gradient go into the memory.
local function remember(state, gradient, most)
  local step, change = state.d:clone():mul(state.t), gradient:clone():add(-1, state.g_prev)
  local curvature = change:dot(step)
  if curvature <= 1e-10 then return end
  if #state.old_dirs >= most then
    table.remove(state.old_dirs, 1)
    table.remove(state.old_stps, 1)
  end
  table.insert(state.old_dirs, change)
  table.insert(state.old_stps, step)
  state.Hdiag = curvature / change:dot(change)
end

-- The direction: minus the approximated inverse Hessian times the gradient, by two loops.
local function direction(state, gradient)
  local d, factors = gradient:clone():mul(-1), {}
  local changes, steps = state.old_dirs, state.old_stps
  for i = #changes, 1, -1 do
    factors[i] = steps[i]:dot(d) / changes[i]:dot(steps[i])
    d:add(-factors[i], changes[i])
  end
  d:mul(state.Hdiag)
  for i = 1, #changes do
    d:add(factors[i] - changes[i]:dot(d) / changes[i]:dot(steps[i]), steps[i])
  end
  return d
end

local function begin(state, gradient)
  state.d, state.Hdiag = gradient:clone():mul(-1), 1
  state.old_dirs, state.old_stps = {}, {}
end

--- x, {f...}, evaluations = optim.lbfgs(opfunc, x, config [, state]), as in Torch7.
-- config: maxIter = 20; maxEval = 1.25 maxIter; tolFun = 1e-5, of the sum of the absolute gradient;
-- tolX = 1e-9, of change; nCorrection = 100, steps remembered; lineSearch, such as optim.lswolfe,
-- with lineSearchOptions; learningRate = 1, the step without a line search; verbose.
local function lbfgs(opfunc, x, config, state)
  config = config or {}
  state = state or config
  local most_iterations = config.maxIter or 20
  local most_evals = config.maxEval or most_iterations * 1.25
  local small_gradient, small_change = config.tolFun or 1e-5, config.tolX or 1e-9
  local rate = config.learningRate or 1
  local function say(text) if config.verbose then print('optim.lbfgs: ' .. text) end end

  local evaluate, place = functional.evaluator(opfunc, x)
  local value, gradient = evaluate()
  local values, evals = {value}, 1
  state.funcEval, state.nIter = (state.funcEval or 0) + 1, state.nIter or 0
  if gradient:clone():abs():sum() <= small_gradient then
    say('the gradient is below tolFun')
    return x, values, evals
  end

  for iteration = 1, most_iterations do
    state.nIter = state.nIter + 1
    if state.d and state.g_prev then
      remember(state, gradient, config.nCorrection or 100)
      state.d = direction(state, gradient)
    else
      begin(state, gradient)
    end
    state.g_prev = gradient:clone()
    local old, slope = value, gradient:dot(state.d)
    if slope > -small_change then
      say('there is no way down')
      break
    end
    state.t = rate
    if state.nIter == 1 then
      state.t = math.min(1, 1 / gradient:clone():abs():sum()) * rate
    end
    local used = 0
    if config.lineSearch then
      value, gradient, x, state.t, used = config.lineSearch(opfunc, x, state.t, state.d, value,
        gradient, slope, config.lineSearchOptions)
    else
      place:add(state.t, state.d)
      if iteration < most_iterations then
        value, gradient = evaluate()
        used = 1
      end
    end
    values[#values + 1] = value
    evals, state.funcEval = evals + used, state.funcEval + used
    local reason = evals >= most_evals and 'maxEval is reached'
      or iteration == most_iterations and 'maxIter is reached'
      or gradient:clone():abs():sum() <= small_gradient and 'the gradient is below tolFun'
      or state.d:clone():mul(state.t):abs():sum() <= small_change and 'the step is below tolX'
      or math.abs(value - old) < small_change and 'the change is below tolX'
    if reason then
      say(reason)
      break
    end
  end
  return x, values, evals
end

-- ---------------------------------------------------------------------------------------------
-- The same for a list of parameters.

local package = {}
local LBFGS = torch.class('optim.LBFGS', 'optim.Optimizer', package)

local DEFAULTS = {lr = 1, max_iter = 20, max_eval = 25, tolerance_grad = 1e-5,
  tolerance_change = 1e-9, history_size = 100, strong_wolfe = false}

--- parameters: as model:parameters() gives them.
-- options: lr = 1; max_iter = 20 and max_eval = 25, in one step; tolerance_grad = 1e-5, of the sum
-- of the absolute gradient; tolerance_change = 1e-9; history_size = 100; strong_wolfe = false, true
-- for a line search.
function LBFGS:__init(parameters, options)
  self:setup('LBFGS', parameters, options, DEFAULTS)
  self.state = {}
end

-- All parameters, or their gradients, as one vector.
local function gather(parameters, of)
  local parts = {}
  for i, parameter in ipairs(parameters) do
    local part = of(parameter)
    parts[i] = part:reshape(part:nElement())
  end
  return torch.cat(parts, 1)
end

local function gradient_of(parameter)
  return parameter.grad and parameter.grad:detach() or torch.zeros_like(parameter:detach())
end

local function scatter(parameters, vector)
  local at = 1
  for _, parameter in ipairs(parameters) do
    local plain = parameter:detach()
    plain:copy(vector:narrow(1, at, plain:nElement()):viewAs(plain))
    at = at + plain:nElement()
  end
end

--- closure(): sets the gradients to zero, runs the model forward and backward, returns the loss; it
-- is called several times. Returns its first result.
function LBFGS:step(closure)
  if type(closure) ~= 'function' then
    error('optim.LBFGS: step: a function that calculates the loss expected, got '
      .. torch.type(closure), 2)
  end
  self.steps = self.steps + 1
  local options, parameters = self.options, self.parameters
  local x = gather(parameters, function(parameter) return parameter:detach() end)
  local _, values = lbfgs(function(place)
    scatter(parameters, place)
    local loss = closure()
    return loss, gather(parameters, gradient_of)
  end, x, {maxIter = options.max_iter, maxEval = options.max_eval, learningRate = options.lr,
    tolFun = options.tolerance_grad, tolX = options.tolerance_change,
    nCorrection = options.history_size,
    lineSearch = options.strong_wolfe and require('optim.lswolfe').lswolfe or nil}, self.state)
  scatter(parameters, x)
  return values[1]
end

function LBFGS:state_dict()
  return {steps = self.steps, state = self.state, options = self.options}
end

function LBFGS:load_state_dict(dict)
  local d = type(dict) == 'table' and type(dict.state) == 'table' and dict.state.d
  local count = 0
  for _, parameter in ipairs(self.parameters) do count = count + parameter:nElement() end
  if type(dict) ~= 'table' or type(dict.state) ~= 'table' or d and d:nElement() ~= count then
    error(('load_state_dict: the state of parameters with %d elements expected, got %s'):format(
      count, d and ('one with %d'):format(d:nElement()) or torch.type(dict)), 2)
  end
  self.steps = dict.steps
  for key, value in pairs(dict.options) do self.options[key] = value end
  self.state = torch.deserialize(torch.serialize(dict.state))
end

return {LBFGS = package.LBFGS, lbfgs = lbfgs}
