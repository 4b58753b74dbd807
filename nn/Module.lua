--- Base of all layers. A class defines updateOutput(input) with pure operations; the gradients
-- come from the tape, in both protocols: model(x), and model:forward(x), model:backward(x, dy).
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
local parameters = require 'nn.parameters'

local Module = torch.class('nn.Module')

--- Classes that bring their own updateGradInput call this, as in Torch7; others need not.
function Module:__init()
  self.gradInput = torch.Tensor()
  self.output = torch.Tensor()
  self._type = self.output:type()
end

--- A trainable tensor of zeros, self[name], and its gradient, which for `weight` is
-- self.gradWeight and the same tensor as self.weight.grad.
function Module:parameter(name, ...)
  return parameters.create(self, name, ...)
end

-- ---------------------------------------------------------------------------------------------
-- The two protocols.

--- The result, tied to the input and the parameters when gradients are recorded.
function Module:__call__(input, dy)
  if dy == nil then return run.call(self, input) end
  local output = self:forward(input)
  return output, self:backward(input, dy)
end

--- The result as a plain tensor, which is self.output too; what backward needs is kept.
function Module:forward(input)
  return run.forward(self, input)
end

--- What a module does. Pure operations on the input and the parameters.
function Module:updateOutput(input) -- luacheck: ignore input
  return self.output
end

--- The gradient of the input; those of the parameters are added, times `scale`, to theirs.
function Module:backward(input, dy, scale)
  if run.is_classic(self) then return run.classic_backward(self, input, dy, scale or 1) end
  return run.backward(self, input, dy, {input = true, parameters = true, scale = scale})
end

--- The first half of backward: the gradient of the input alone.
function Module:updateGradInput(input, dy)
  return run.backward(self, input, dy, {input = true})
end

--- The second half: the gradients of the parameters.
function Module:accGradParameters(input, dy, scale)
  if run.is_classic(self) and not parameters.any(self) then return end
  run.backward(self, input, dy, {parameters = true, scale = scale})
end

run.takes_from_tape(Module.backward, Module.updateGradInput, Module.accGradParameters)

-- A recorded result as forward hands it out.
function Module:plain(result)
  return values.detached(result)
end

-- ---------------------------------------------------------------------------------------------
-- Parameters.

--- Two lists: the trainable tensors, and their gradients.
function Module:parameters()
  return parameters.list(self)
end

--- All parameters as one vector, and all gradients as another: both move into new storages.
function Module:getParameters()
  return parameters.flatten(self:parameters())
end

function Module:zeroGradParameters()
  local _, gradients = self:parameters()
  for _, gradient in ipairs(gradients or {}) do gradient:zero() end
end

--- One step of plain gradient descent.
function Module:updateParameters(rate)
  local tensors, gradients = self:parameters()
  for i, tensor in ipairs(tensors or {}) do
    torch.no_grad(tensor.add, tensor, -rate, gradients[i])
  end
end

--- Makes the named tensors views of the other module's: share(m, 'weight', 'gradWeight').
function Module:share(other, ...)
  for _, name in ipairs {...} do
    local mine, theirs = self[name], other[name]
    if torch.isTensor(mine) and torch.isTensor(theirs) then mine:set(theirs) end
  end
  local others = other:children()
  for i, child in ipairs(self:children()) do child:share(others[i], ...) end
  return self
end

--- An independent copy; tensors with the given names are shared with it.
function Module:clone(...)
  local copy = parameters.clone(self)
  if select('#', ...) > 0 then copy:share(self, ...) end
  return copy
end

--- Draws the parameters anew.
function Module:reset(stdv)
  for _, child in ipairs(self:children()) do child:reset(stdv) end
end

-- ---------------------------------------------------------------------------------------------
-- Types.

--- The type of the module's tensors, or with a name ('torch.DoubleTensor') their conversion:
-- floating-point tensors become new ones, and those that shared memory go on doing so.
function Module:type(name, cache)
  if name == nil then
    local first = self:parameters()
    return self._type or first and first[1] and first[1]:type() or torch.getdefaulttensortype()
  end
  parameters.convert(self, name, cache)
  return self
end

function Module:float() return self:type('torch.FloatTensor') end
function Module:double() return self:type('torch.DoubleTensor') end
function Module:half() return self:type('torch.HalfTensor') end

-- ---------------------------------------------------------------------------------------------
-- Trees of modules.

--- The modules inside of this one: those of a container, else its fields, by name.
function Module:children()
  if self.modules then return self.modules end
  local names, list = {}, {}
  for name, value in pairs(self) do
    if type(name) == 'string' and torch.isTypeOf(value, Module) then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do list[i] = self[name] end
  return list
end

--- Calls fn(module) for this module and all inside of it.
function Module:apply(fn)
  fn(self)
  for _, child in ipairs(self:children()) do child:apply(fn) end
end

--- Puts fn(module) in the place of each module; returns what takes the place of this one.
function Module:replace(fn)
  local out = fn(self)
  for i, child in ipairs(self.modules or {}) do out.modules[i] = child:replace(fn) end
  return out
end

--- This module and all inside of it, in the order of `apply`.
function Module:listModules()
  local list = {}
  self:apply(function(module) list[#list + 1] = module end)
  return list
end

--- The modules whose class has exactly this name, and beside them what contains each.
function Module:findModules(typename, container)
  local nodes, containers = {}, {}
  container = container or self
  if torch.typename(self) == typename then
    nodes[1], containers[1] = self, container
  end
  for _, child in ipairs(self:children()) do
    local more, more_containers = child:findModules(typename, self)
    for i, node in ipairs(more) do
      nodes[#nodes + 1], containers[#containers + 1] = node, more_containers[i]
    end
  end
  return nodes, containers
end

--- From now on as in training: Dropout drops.
function Module:training()
  self.train = true
  for _, child in ipairs(self:children()) do child:training() end
end

--- From now on as in use.
function Module:evaluate()
  self.train = false
  for _, child in ipairs(self:children()) do child:evaluate() end
end

--- Frees what a forward and a backward have left, for example before saving.
function Module:clearState()
  run.forget(self)
  for _, name in ipairs {'output', 'gradInput'} do
    local value = rawget(self, name)
    if torch.isTensor(value) then
      self[name] = value.new()
    elseif value ~= nil then
      self[name] = {}
    end
  end
  for _, child in ipairs(self:children()) do child:clearState() end
  return self
end

-- ---------------------------------------------------------------------------------------------
-- Files and text.

--- Writes the fields as a table, as Torch7 does; results of the last pass stay behind.
function Module:write(file)
  local fields = {}
  for name, value in pairs(self) do fields[name] = value end
  for _, name in ipairs {'output', 'gradInput'} do
    if torch.isTensor(fields[name]) then
      fields[name] = fields[name].new()
    elseif fields[name] ~= nil then
      fields[name] = {}
    end
  end
  file:writeObject(fields)
end

function Module:read(file)
  local fields = file:readObject()
  if type(fields) ~= 'table' then
    error(('load: the fields of a %s are a %s'):format(torch.type(self), type(fields)), 0)
  end
  for name, value in next, fields do rawset(self, name, value) end
  parameters.link(self)
end

function Module:__tostring__()
  return torch.type(self)
end
