--- Base of all layers. A class defines updateOutput(input) with pure operations; the gradients
-- come from the tape, in both protocols: model(x), and model:forward(x), model:backward(x, dy).
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
local parameters = require 'nn.parameters'
local flatten = require 'nn.flatten'
local conversion = require 'nn.conversion'

local Module = torch.class('nn.Module')

-- What every module has from the beginning, whether or not its constructor calls this class's.
function Module:__new()
  run.prepare(getmetatable(self))
  self.output, self.gradInput = torch.Tensor(), torch.Tensor()
  self._type = torch.getdefaulttensortype()
end

--- Classes that were written for Torch7 call this; others need not.
function Module:__init()
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
  -- A container's that calls this one as its parent's goes by what the parent has computed.
  local by_parent = self.modules and self.backward ~= Module.backward and run.calls_parent(self)
  if run.is_classic(self) and not by_parent then
    return run.classic_backward(self, input, dy, scale or 1)
  end
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
parameters.method = Module.parameters

--- All parameters as one vector, and all gradients as another: both move into new storages.
function Module:getParameters()
  return flatten.both(self:parameters())
end

--- nn.Module.flatten(tensors): one vector of all, whose storage they move into.
Module.flatten = flatten.one

-- Torch7 keeps buffers here, and programs empty it.
Module._flattenTensorBuffer = {}

function Module:zeroGradParameters()
  local _, gradients = self:parameters()
  for _, gradient in ipairs(gradients or {}) do gradient:zero() end
end

--- One step of plain gradient descent. What is shared steps once.
function Module:updateParameters(rate)
  for _, pair in ipairs(parameters.distinct(self)) do
    torch.no_grad(pair[1].add, pair[1], -rate, pair[2])
  end
end

--- accGradParameters and updateParameters in one, which leaves the gradients as they were; where
-- parameters are shared they are the last ones instead.
function Module:accUpdateGradParameters(input, dy, rate)
  if self.shared then
    self:sharedAccUpdateGradParameters(input, dy, rate)
  else
    self:defaultAccUpdateGradParameters(input, dy, rate)
  end
end

function Module:defaultAccUpdateGradParameters(input, dy, rate)
  local _, gradients = self:parameters()
  local kept = {}
  for i, gradient in ipairs(gradients or {}) do kept[i] = gradient:clone() end
  self:sharedAccUpdateGradParameters(input, dy, rate)
  for i, gradient in ipairs(gradients or {}) do gradient:copy(kept[i]) end
end

function Module:sharedAccUpdateGradParameters(input, dy, rate)
  if not parameters.any(self) then return end
  self:zeroGradParameters()
  self:accGradParameters(input, dy, 1)
  self:updateParameters(rate)
end

--- backward and a step in one.
function Module:backwardUpdate(input, dy, rate)
  self:updateGradInput(input, dy)
  self:accUpdateGradParameters(input, dy, rate)
  return self.gradInput
end

--- Makes the named tensors views of the other module's: share(m, 'weight', 'gradWeight').
function Module:share(other, ...)
  for _, name in ipairs {...} do
    local mine, theirs = self[name], other[name]
    if torch.isTensor(mine) and torch.isTensor(theirs) then
      mine:set(theirs)
      self.shared, other.shared = true, true
    end
  end
  local children, others = self:children(), other:children()
  if #children ~= #others then
    error(('share: %s has %d modules inside, %s has %d'):format(torch.type(self), #children,
      torch.type(other), #others), 2)
  end
  for i, child in ipairs(children) do child:share(others[i], ...) end
  return self
end

--- An independent copy; tensors with the given names are shared with it.
function Module:clone(...)
  local copy = conversion.clone(self)
  if select('#', ...) > 0 then copy:share(self, ...) end
  return copy
end

-- Adds the tensors of a list to another one.
local function append(list, more)
  for _, tensor in ipairs(more or {}) do list[#list + 1] = tensor end
end

-- A copy that has its parameters, gradients and running means as the very same tensors.
local function twin(module)
  local kept = {}
  local tensors, gradients = module:parameters()
  append(kept, tensors)
  append(kept, gradients)
  module:apply(function(inner) append(kept, {inner.running_mean, inner.running_var}) end)
  return conversion.clone(module, kept)
end

--- A copy with the same parameters. shareParams, shareGradParams: false for its own ones.
function Module:sharedClone(shareParams, shareGradParams)
  if shareParams ~= false and shareGradParams ~= false then return twin(self) end
  local copy = self:clone()
  local tensors, gradients = self:parameters()
  local others, other_gradients = copy:parameters()
  for i in ipairs(tensors or {}) do
    if shareParams ~= false then others[i]:set(tensors[i]) end
    if shareGradParams ~= false then other_gradients[i]:set(gradients[i]) end
  end
  return copy
end

--- Draws the parameters anew.
function Module:reset(stdv)
  for _, child in ipairs(self:children()) do child:reset(stdv) end
end

-- ---------------------------------------------------------------------------------------------
-- Types.

--- The type of the module's tensors, or with a name ('torch.DoubleTensor') their conversion:
-- floating-point tensors become new ones, and those that shared memory go on doing so, also among
-- modules that are converted with the same table `cache`.
function Module:type(name, cache)
  if name == nil then return self._type or torch.getdefaulttensortype() end
  run.forget(self)
  conversion.to_type(self, name, cache)
  return self
end

function Module:float() return self:type('torch.FloatTensor') end
function Module:double() return self:type('torch.DoubleTensor') end
function Module:half() return self:type('torch.HalfTensor') end

-- What tensors have a method for, modules have: each of their floating-point tensors goes there,
-- and other ones to the same device.
for method in pairs {to = true, cpu = true, cuda = true} do
  Module[method] = function(self, ...)
    run.forget(self)
    conversion.move(self, Module, method, ...)
    return self
  end
end

--- In bfloat16, where the module is.
function Module:bfloat16() return self:to('bfloat16') end

--- On a GPU, in one type of numbers.
function Module:cudaHalf() return self:type('torch.CudaHalfTensor') end
function Module:cudaFloat() return self:type('torch.CudaTensor') end
function Module:cudaDouble() return self:type('torch.CudaDoubleTensor') end
function Module:cudaBFloat16() return self:type('torch.CudaBFloat16Tensor') end

-- ---------------------------------------------------------------------------------------------
-- Trees of modules.

--- The modules inside of this one: those of a container, else its fields, by name.
function Module:children()
  if self.modules then return self.modules end
  local names, list = {}, {}
  for name, value in next, self do
    if type(value) == 'table' and getmetatable(value) ~= nil and type(name) == 'string'
        and torch.isTypeOf(value, Module) then
      names[#names + 1] = name
    end
  end
  if #names > 1 then table.sort(names) end
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
  if self.modules then
    for i, child in ipairs(self.modules) do
      local new = child:replace(fn)
      if out and out.modules then out.modules[i] = new end
    end
  elseif rawequal(out, self) then
    for name, child in pairs(self) do
      if torch.isTypeOf(child, Module) then self[name] = child:replace(fn) end
    end
  end
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
  values.clear(self, 'output', 'gradInput')
  for _, child in ipairs(self:children()) do child:clearState() end
  return self
end

-- ---------------------------------------------------------------------------------------------
-- Files and text.

--- Writes the fields as a table, as Torch7 does; results of the last pass stay behind.
function Module:write(file)
  local fields = {}
  for name, value in pairs(self) do fields[name] = value end
  values.clear(fields, 'output', 'gradInput')
  file:writeObject(fields)
end

function Module:read(file)
  local fields = file:readObject()
  if type(fields) ~= 'table' then
    error(('load: the fields of a %s are a %s'):format(torch.type(self), type(fields)), 0)
  end
  local field = require('torch.t7_reader').field
  for name, value in next, fields do rawset(self, name, field(file, name, value)) end
  parameters.link(self)
end

function Module:__tostring__()
  return torch.type(self)
end

--- What the model's layers give for an input, with how many parameters, multiply-adds and bytes:
-- prints as a table, see nn.Summary. input: a tensor, a table of sizes, or a table of such.
function Module:summary(input)
  local summary = require('nn.Summary').new(self, input)
  return summary
end

--- The model in use, planned once for inputs like this one: calls allocate nothing and make no
-- garbage, and give results in tensors that are always the same: see nn.Frozen.
-- input: an example; without one each new size is planned at its first call.
-- options: {check = false} trusts the plan, instead of running both on another input.
function Module:freeze(input, options)
  return require('nn.Frozen').new(self, input, options)
end
