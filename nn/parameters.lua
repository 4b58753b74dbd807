--- The parameters of modules: making them, tying them to their gradients, listing them.
local torch = require 'torch'

local parameters = {}

-- weight -> gradWeight
local function gradient_name(name)
  return 'grad' .. name:sub(1, 1):upper() .. name:sub(2)
end

-- Torch7's modules have no list of names, but these two.
local CLASSIC = {'weight', 'bias'}

local function names_of(module)
  return module.parameterNames or CLASSIC
end

-- A gradient of a parameter is the tensor that backward adds to.
local function link_pair(tensor, gradient)
  if tensor.grad == gradient then return end
  tensor.requires_grad = true
  tensor.grad = gradient
end

--- Ties each parameter of the module itself to its gradient, which is made where it is missing.
function parameters.link(module)
  for _, name in ipairs(names_of(module)) do
    local tensor = module[name]
    if torch.isTensor(tensor) and tensor:nElement() > 0 then
      local grad = gradient_name(name)
      if not torch.isTensor(module[grad]) or module[grad]:nElement() ~= tensor:nElement() then
        module[grad] = torch.zeros_like(tensor:detach())
      end
      link_pair(tensor, module[grad])
    end
  end
end

--- See Module:parameter.
function parameters.create(module, name, ...)
  local tensor = torch.zeros(...)
  if not module.parameterNames then module.parameterNames = {} end
  table.insert(module.parameterNames, name)
  module[name] = tensor
  module[gradient_name(name)] = torch.zeros(...)
  parameters.link(module)
  return tensor
end

local function add_own(module, tensors, gradients)
  parameters.link(module)
  for _, name in ipairs(names_of(module)) do
    if torch.isTensor(module[name]) then
      tensors[#tensors + 1] = module[name]
      gradients[#gradients + 1] = module[gradient_name(name)]
    end
  end
end

--- See Module:parameters.
function parameters.list(module)
  local tensors, gradients = {}, {}
  add_own(module, tensors, gradients)
  for _, child in ipairs(module:children()) do
    local more, more_gradients = child:parameters()
    for i, tensor in ipairs(more or {}) do
      tensors[#tensors + 1] = tensor
      gradients[#gradients + 1] = more_gradients[i]
      link_pair(tensor, more_gradients[i])
    end
  end
  return tensors, gradients
end

local function place_of(tensor)
  if tensor:nElement() == 0 then return 'empty' end
  return ('%d:%d'):format(torch.pointer(tensor:storage()), tensor:storageOffset())
end

--- Pairs {parameter, its gradient}; those that are views of the same memory, both of them, once.
function parameters.distinct(module)
  local pairs_of, seen = {}, {}
  local tensors, gradients = module:parameters()
  for i, tensor in ipairs(tensors or {}) do
    local key = place_of(tensor) .. ' ' .. place_of(gradients[i])
    local before = seen[key]
    if not (before and before[1]:isSetTo(tensor) and before[2]:isSetTo(gradients[i])) then
      seen[key] = {tensor, gradients[i]}
      pairs_of[#pairs_of + 1] = seen[key]
    end
  end
  return pairs_of
end

function parameters.any(module)
  local tensors = module:parameters()
  return tensors ~= nil and #tensors > 0
end

return parameters
