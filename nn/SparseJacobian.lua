--- nn.SparseJacobian: the checks of nn.Jacobian for modules whose input is sparse: rows {index,
-- value}, as one matrix or, for a batch, a list of them. Only values have a gradient.
local torch = require 'torch'
local values = require 'nn.values'
local Jacobian = require 'nn.Jacobian'
local differences = require 'nn.differences'

local SparseJacobian = {}

-- The values of a sparse input, or of its gradient, in the same memory.
local function column(value)
  return values.map(function(tensor) return tensor:detach():select(2, 2) end, value)
end

--- By backward: of the input's values, or of `param`, whose gradient is `dparam`.
function SparseJacobian.backward(module, input, param, dparam)
  if param then return Jacobian.backward(module, input, param, dparam) end
  return differences.backward(module, input, function(dy)
    return column(module:updateGradInput(input, dy))
  end)
end

SparseJacobian.backwardUpdate = Jacobian.backwardUpdate

--- By finite differences: of the input's values, or of `param`.
function SparseJacobian.forward(module, input, param, perturbation)
  local of_input = param == nil or rawequal(param, input)
  return Jacobian.forward(module, input, of_input and column(input) or param, perturbation)
end

SparseJacobian.forwardUpdate = Jacobian.forwardUpdate

function SparseJacobian.testJacobian(module, input, low, high, perturbation)
  differences.randomize(column(input), low, high)
  local forward = SparseJacobian.forward(module, input, input, perturbation)
  return differences.distance(forward, SparseJacobian.backward(module, input))
end

function SparseJacobian.testJacobianParameters(module, input, param, dparam, low, high,
    perturbation)
  differences.randomize(column(input), low, high)
  differences.randomize(param, low, high)
  local backward = SparseJacobian.backward(module, input, param, dparam)
  return differences.distance(SparseJacobian.forward(module, input, param, perturbation), backward)
end

function SparseJacobian.testJacobianUpdateParameters(module, input, param, low, high, perturbation)
  differences.randomize(column(input), low, high)
  differences.randomize(param, low, high)
  local backward = SparseJacobian.backwardUpdate(module, input, param)
  return differences.distance(SparseJacobian.forwardUpdate(module, input, param, perturbation),
    backward)
end

function SparseJacobian.testIO(module, input, low, high)
  differences.randomize(column(input), low, high)
  return differences.through_file(module, input, low, high)
end

SparseJacobian.testAllUpdate = Jacobian.testAllUpdate

for name, fn in pairs(SparseJacobian) do
  SparseJacobian[name] = function(...) return torch.no_grad(fn, ...) end
end

return SparseJacobian
