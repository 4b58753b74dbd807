--- nn.Jacobian: checks of a module's gradients against finite differences, as Torch7's tests make
-- them. Inputs and parameters should be in float64.
local torch = require 'torch'
local values = require 'nn.values'
local differences = require 'nn.differences'

local flat, distance, randomize = differences.flat, differences.distance, differences.randomize

local Jacobian = {}

local function parameters_of(module)
  return (module:parameters()) or {}
end

-- The input for a module; a copy for one that may write over it.
local function given(module, input)
  local writes = false
  module:apply(function(inner) writes = writes or inner.inplace end)
  return writes and values.map(values.clone, input) or input
end

--- By backward: of the input, or of `param`, whose gradient is `dparam`.
function Jacobian.backward(module, input, param, dparam)
  input = given(module, input)
  return differences.backward(module, input, function(dy)
    if not param then return module:updateGradInput(input, dy) end
    module:zeroGradParameters()
    module:updateGradInput(input, dy)
    module:accGradParameters(input, dy)
    return dparam
  end)
end

--- `param` after a step of length 1, for each element of the output alone.
function Jacobian.backwardUpdate(module, input, param)
  local kept = values.map(values.clone, parameters_of(module))
  local function restore()
    for i, tensor in ipairs(parameters_of(module)) do tensor:detach():copy(kept[i]) end
  end
  local jacobian = differences.backward(module, input, function(dy)
    restore()
    module:forward(input)
    module:zeroGradParameters()
    module:updateGradInput(input, dy)
    module:accUpdateGradParameters(input, dy, 1)
    return param
  end)
  restore()
  return jacobian
end

--- By finite differences: of the input, or of `param`.
function Jacobian.forward(module, input, param, perturbation)
  return differences.forward(function() return module:forward(given(module, input)) end,
    param or input, perturbation)
end

--- What backwardUpdate gives, by finite differences.
function Jacobian.forwardUpdate(module, input, param, perturbation)
  local jacobian = Jacobian.forward(module, input, param, perturbation)
  local old = flat(param)
  return old:view(old:nElement(), 1):expandAs(jacobian):typeAs(jacobian) - jacobian
end

-- ---------------------------------------------------------------------------------------------
-- Second derivatives of half the sum of the squares of the outputs: see nn.hessian.

--- By nn.hessian: module[name], for example 'diagHessianWeight'.
function Jacobian.backwardDiagHessian(module, input, name)
  require('nn.hessian').enable()
  module:initDiagHessianParameters()
  local ones = module:forward(input):clone():fill(1)
  module:updateDiagHessianInput(input, ones)
  module:accDiagHessianParameters(input, ones)
  return module[name]
end

--- From first derivatives, for a module that is linear in its input and parameters: the sum of
-- their squares over the outputs. name: 'gradInput', 'gradWeight', ...
function Jacobian.linearModuleDiagHessian(module, input, name)
  module:forward(input)
  local sum
  differences.each_seed(module.output, function(dy)
    module:zeroGradParameters()
    module:updateGradInput(input, dy)
    module:accGradParameters(input, dy)
    local square = torch.cmul(module[name], module[name])
    sum = sum and sum:add(square) or square:clone()
  end)
  return sum
end

function Jacobian.testDiagHessian(module, input, gradient_name, hessian_name)
  return distance(Jacobian.backwardDiagHessian(module, input, hessian_name),
    Jacobian.linearModuleDiagHessian(module, input, gradient_name))
end

function Jacobian.testDiagHessianInput(module, input)
  return Jacobian.testDiagHessian(module, input, 'gradInput', 'diagHessianInput')
end

function Jacobian.testDiagHessianWeight(module, input)
  return Jacobian.testDiagHessian(module, input, 'gradWeight', 'diagHessianWeight')
end

function Jacobian.testDiagHessianBias(module, input)
  return Jacobian.testDiagHessian(module, input, 'gradBias', 'diagHessianBias')
end

-- ---------------------------------------------------------------------------------------------
-- Tests: each returns the largest difference, after it has drawn the input (and the parameter)
-- from low to high, -2 to 2 by default.

function Jacobian.testJacobian(module, input, low, high, perturbation)
  randomize(input, low, high)
  local forward = Jacobian.forward(module, input, input, perturbation)
  return distance(forward, Jacobian.backward(module, input))
end

function Jacobian.testJacobianParameters(module, input, param, dparam, low, high, perturbation)
  randomize(input, low, high)
  randomize(param, low, high)
  local backward = Jacobian.backward(module, input, param, dparam)
  return distance(Jacobian.forward(module, input, param, perturbation), backward)
end

function Jacobian.testJacobianUpdateParameters(module, input, param, low, high, perturbation)
  randomize(input, low, high)
  randomize(param, low, high)
  local backward = Jacobian.backwardUpdate(module, input, param)
  return distance(Jacobian.forwardUpdate(module, input, param, perturbation), backward)
end

--- Goes through a file: the differences of the output, and of the input's gradient.
function Jacobian.testIO(module, input, low, high)
  randomize(input, low, high)
  return differences.through_file(module, input, low, high)
end

-- Two copies with one `name`, which both go through `step`; returns the first.
local function shared_pair(module, input, dy, name, step)
  local first, second = module:clone(), module:clone()
  second:share(first, name)
  for _, copy in ipairs {first, second} do copy:forward(input) end
  for _, copy in ipairs {first, second} do
    copy:zeroGradParameters()
    copy:updateGradInput(input, dy)
  end
  step(first, second)
  return first
end

--- All ways to step, alone and with a shared parameter: the differences, by the names of the ways.
function Jacobian.testAllUpdate(module, input, weight, gradWeight)
  local rate, errors = torch.uniform(0.1, 1), {}
  local alone = module:clone()
  local before = alone[weight]:detach():clone()
  local dy = values.map(function(tensor) return tensor:clone():uniform(0, 1) end,
    alone:forward(input))
  differences.run(alone, input, dy)
  local step = alone[gradWeight] * rate
  alone:updateParameters(rate)
  local function far(copy, steps)
    return (before - step * steps - copy[weight]:detach()):norm()
  end
  errors.accGradParameters = far(alone, 1)

  local update = module:clone()
  update:forward(input)
  update:updateGradInput(input, dy)
  update:accUpdateGradParameters(input, dy, rate)
  errors.accUpdateGradParameters = far(update, 1)

  errors['accGradParameters [shared]'] = far(shared_pair(module, input, dy, weight,
    function(first, second)
      for _, copy in ipairs {first, second} do copy:accGradParameters(input, dy) end
      for _, copy in ipairs {first, second} do copy:updateParameters(rate) end
    end), 2)
  errors['accUpdateGradParameters [shared]'] = far(shared_pair(module, input, dy, weight,
    function(first, second)
      for _, copy in ipairs {first, second} do copy:accUpdateGradParameters(input, dy, rate) end
    end), 2)
  return errors
end

-- Nothing of this is for anybody's tape.
for name, fn in pairs(Jacobian) do
  Jacobian[name] = function(...) return torch.no_grad(fn, ...) end
end

return Jacobian
