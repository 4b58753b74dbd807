--- nn.hessian: after enable(), modules propagate the diagonal of the Hessian of the loss backward.
-- As in LeCun et al. 1998 (Efficient BackProp, 7.3) the second derivatives of a module itself are
-- left out: h_x = sum over y of h_y (dy/dx)^2, which is exact for modules that are linear.
local torch = require 'torch'
local Module = torch.getmetatable('nn.Module')
local Criterion = torch.getmetatable('nn.Criterion')
local differences = require 'nn.differences'

local hessian = {}

-- weight -> diagHessianWeight
local function hessian_name(name)
  return 'diagHessian' .. name:sub(1, 1):upper() .. name:sub(2)
end

local function gradient_name(name)
  return 'grad' .. name:sub(1, 1):upper() .. name:sub(2)
end

-- The names of a module's own parameters.
local function own_names(module)
  local names = {}
  for _, name in ipairs(module.parameterNames or {'weight', 'bias'}) do
    if torch.isTensor(module[name]) then names[#names + 1] = name end
  end
  return names
end

-- ---------------------------------------------------------------------------------------------
-- Three ways, by the kind of the module.

-- Of a module linear in its input and parameters: the same module with squares in their places.
local LINEAR = {}
for name in ([[ Linear SpatialConvolution SpatialConvolutionMM SpatialFullConvolution
    SpatialDilatedConvolution SpatialConvolutionLocal TemporalConvolution
    VolumetricConvolution ]]):gmatch('%S+') do
  LINEAR['nn.' .. name] = true
end

-- Runs fn with the squares of the weights, and puts everything back.
local function with_squares(module, fn)
  local weight, kept = module.weight:detach(), module.weight:detach():clone()
  local gradients = {}
  for _, name in ipairs(own_names(module)) do
    gradients[name] = module[gradient_name(name)]:clone()
    module[gradient_name(name)]:zero()
  end
  local gradInput, output = module.gradInput, module.output
  weight:cmul(kept)
  fn()
  weight:copy(kept)
  for name, gradient in pairs(gradients) do module[gradient_name(name)]:copy(gradient) end
  module.gradInput, module.output = gradInput, output
end

local linear = {}

function linear.input(module, input, h)
  local result
  with_squares(module, function()
    module:forward(input)
    result = module:updateGradInput(input, h):clone()
  end)
  return result
end

function linear.parameters(module, input, h)
  local square = torch.cmul(input, input)
  with_squares(module, function()
    module:forward(square)
    module:accGradParameters(square, h, 1)
    for _, name in ipairs(own_names(module)) do
      module[hessian_name(name)]:add(module[gradient_name(name)])
    end
  end)
end

-- Of any other module: a backward for each element of the output. Exact, and slow for large ones.
local general = {}

function general.input(module, input, h)
  local gradInput, result = module.gradInput, torch.zeros_like(input)
  local weights = differences.flat(h)
  differences.each_seed(module:forward(input), function(dy, k)
    local gradient = module:updateGradInput(input, dy)
    result:add(weights[k], torch.cmul(gradient, gradient))
  end)
  module.gradInput = gradInput
  return result
end

function general.parameters(module, input, h)
  local names, kept, weights = own_names(module), {}, differences.flat(h)
  if #names == 0 then return end
  for _, name in ipairs(names) do kept[name] = module[gradient_name(name)]:clone() end
  differences.each_seed(module:forward(input), function(dy, k)
    for _, name in ipairs(names) do module[gradient_name(name)]:zero() end
    module:accGradParameters(input, dy, 1)
    for _, name in ipairs(names) do
      local gradient = module[gradient_name(name)]
      module[hessian_name(name)]:add(weights[k], torch.cmul(gradient, gradient))
    end
  end)
  for _, name in ipairs(names) do module[gradient_name(name)]:copy(kept[name]) end
end

-- Of a transfer function, where each output has one input: its derivative squared.
local POINTWISE = {}
for name in ([[ Tanh Sigmoid ReLU ReLU6 LeakyReLU ELU HardTanh SoftPlus SoftSign Threshold
    TanhShrink Square Sqrt Abs Exp Log Power Identity MulConstant AddConstant Clamp HardShrink
    SoftShrink LogSigmoid ]]):gmatch('%S+') do
  POINTWISE['nn.' .. name] = true
end

local pointwise = {parameters = function() end}

function pointwise.input(module, input, h)
  local gradInput = module.gradInput
  local slope = module:updateGradInput(input, torch.ones_like(module:forward(input)))
  module.gradInput = gradInput
  return torch.cmul(torch.cmul(slope, slope), h:viewAs(slope))
end

local function way_of(module)
  local name = torch.type(module)
  return LINEAR[name] and linear or POINTWISE[name] and pointwise or general
end

-- ---------------------------------------------------------------------------------------------
-- Methods.

local methods = {}

--- Makes diagHessianWeight, diagHessianBias, ... of zeros.
function methods.initDiagHessianParameters(module)
  for _, name in ipairs(own_names(module)) do
    module[hessian_name(name)] = torch.zeros_like(module[name]:detach())
  end
  for _, child in ipairs(module:children()) do child:initDiagHessianParameters() end
end

--- module.diagHessianInput, from the diagonal of the Hessian with respect to the output.
function methods.updateDiagHessianInput(module, input, h)
  if torch.isTypeOf(module, 'nn.Sequential') then
    for i = #module.modules, 1, -1 do
      local before = i > 1 and module.modules[i - 1].output or input
      h = module.modules[i]:updateDiagHessianInput(before, h)
    end
    module.diagHessianInput = h
  else
    module.diagHessianInput = way_of(module).input(module, input, h)
  end
  return module.diagHessianInput
end

--- Adds to module.diagHessianWeight, and so on.
function methods.accDiagHessianParameters(module, input, h)
  if torch.isTypeOf(module, 'nn.Sequential') then
    for i = #module.modules, 1, -1 do
      local before = i > 1 and module.modules[i - 1].output or input
      module.modules[i]:accDiagHessianParameters(before, h)
      h = module.modules[i].diagHessianInput
    end
    return
  end
  for _, name in ipairs(own_names(module)) do
    if not module[hessian_name(name)] then module:initDiagHessianParameters() end
  end
  way_of(module).parameters(module, input, h)
end

--- Both; after a forward.
function methods.updateDiagHessian(module, input, h)
  module:updateDiagHessianInput(input, h)
  module:accDiagHessianParameters(input, h)
  return module.diagHessianInput
end
methods.backwardDiagHessian = methods.updateDiagHessian

local function list_of(module, list)
  for _, name in ipairs(own_names(module)) do list[#list + 1] = module[hessian_name(name)] end
  for _, child in ipairs(module:children()) do list_of(child, list) end
  return list
end

-- The loss is a function of single elements: its second derivative, by differences of its gradient.
local function of_criterion(criterion, input, target)
  local width = input.dtype == 'float64' and 1e-5 or 1e-2
  local result = torch.zeros_like(input)
  local slopes = differences.flat(result)
  local copy = input:detach():clone()
  differences.each_cell(copy, function(cell, i)
    local old, ends = cell[1], {}
    for side, step in ipairs {-width, width} do
      cell[1] = old + step
      criterion:forward(copy, target)
      ends[side] = differences.flat(criterion:updateGradInput(copy, target))[i]
    end
    cell[1] = old
    slopes[i] = (ends[2] - ends[1]) / (2 * width)
  end)
  criterion:forward(input, target)
  criterion.diagHessianInput = slopes:viewAs(input)
  return criterion.diagHessianInput
end

local enabled = false

--- Gives all modules and criterions the methods above. Then module:getParameters() returns a third
-- vector, of the diagonal, where initDiagHessianParameters has been called.
function hessian.enable()
  if enabled then return end
  enabled = true
  for name, method in pairs(methods) do
    Module[name] = function(...) return torch.no_grad(method, ...) end
  end
  Criterion.updateDiagHessianInput = function(...) return torch.no_grad(of_criterion, ...) end
  local getParameters = Module.getParameters
  function Module:getParameters()
    local flat, gradient = getParameters(self)
    local diagonal = list_of(self, {})
    if #diagonal == 0 then return flat, gradient end
    return flat, gradient, Module.flatten(diagonal)
  end
end

return hessian
