--- The parameters of modules: making them, tying them to their gradients, listing them.
local torch = require 'torch'

local parameters = {}

-- weight -> gradWeight
local gradient_names = setmetatable({}, {__index = function(names, name)
  names[name] = 'grad' .. name:sub(1, 1):upper() .. name:sub(2)
  return names[name]
end})

-- Torch7's modules have no list of names, but these two.
local CLASSIC = {'weight', 'bias'}

-- Makes the gradient of a parameter where it is missing. It is the tensor that backward adds to.
local function tie(module, tensor, grad)
  if not torch.isTensor(tensor) or tensor:nElement() == 0 then return end
  if not torch.isTensor(module[grad]) or module[grad]:nElement() ~= tensor:nElement() then
    module[grad] = torch.zeros_like(tensor:detach())
  end
  tensor.requires_grad = true
  tensor.grad = module[grad]
end

-- A file may say anything: only a plain list counts.
local function names_of(module)
  local names = module.parameterNames
  if type(names) ~= 'table' or getmetatable(names) then return CLASSIC end
  return names
end

--- Ties each parameter of the module itself to its gradient. Programs may have put other tensors
-- in their places since the last time.
function parameters.link(module)
  local names = names_of(module)
  for i = 1, #names do
    local name = names[i]
    local tensor = type(name) == 'string' and module[name]
    if type(tensor) == 'userdata' then
      local grad = gradient_names[name]
      local gradient = module[grad]
      if gradient == nil or tensor.grad ~= gradient then tie(module, tensor, grad) end
    end
  end
end
local link = parameters.link

--- See Module:parameter.
function parameters.create(module, name, ...)
  local tensor = torch.zeros(...)
  local names = rawget(module, 'parameterNames') or {}
  module.parameterNames = names
  local known = false -- as of a class that gives another size to one of its parent's
  for _, other in ipairs(names) do known = known or other == name end
  if not known then names[#names + 1] = name end
  module[name] = tensor
  module[gradient_names[name]] = torch.zeros(...)
  link(module)
  return tensor
end

local function add_own(module, tensors, gradients)
  link(module)
  local names = names_of(module)
  for i = 1, #names do
    local name = names[i]
    local tensor = type(name) == 'string' and module[name]
    if type(tensor) == 'userdata' and torch.isTensor(tensor) then
      tensors[#tensors + 1] = tensor
      gradients[#gradients + 1] = module[gradient_names[name]]
    end
  end
end

-- A module that lists its parameters itself need not have tied them.
local function tie_pair(tensor, gradient)
  if tensor.grad == gradient then return end
  tensor.requires_grad = true
  tensor.grad = gradient
end

--- See Module:parameters.
function parameters.list(module)
  local tensors, gradients = {}, {}
  add_own(module, tensors, gradients)
  local children = module:children()
  for c = 1, #children do
    local child = children[c]
    local more, more_gradients = child:parameters()
    local foreign = child.parameters ~= parameters.method
    for i = 1, more and #more or 0 do
      tensors[#tensors + 1] = more[i]
      gradients[#gradients + 1] = more_gradients[i]
      if foreign then tie_pair(more[i], more_gradients[i]) end
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
