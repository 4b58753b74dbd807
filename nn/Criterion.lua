--- Base of the losses. A class defines updateOutput(input, target) with pure operations.
-- criterion(y, target) is tied to the graph: loss:backward(). Torch7's criterion:forward(y, target)
-- returns a number, and criterion:backward(y, target) the gradient of y.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
local parameters = require 'nn.parameters'
local Module = torch.getmetatable('nn.Module')

local Criterion = torch.class('nn.Criterion')

function Criterion:__init()
  self.gradInput = torch.Tensor()
  self.output = 0
end

--- The loss: a number, or when gradients are recorded a tensor with `backward`.
function Criterion:__call__(input, target)
  return run.call(self, input, target)
end

--- The loss as a number, which is self.output too.
function Criterion:forward(input, target)
  return run.forward(self, input, target)
end

function Criterion:updateOutput(input, target) -- luacheck: ignore input target
  return self.output
end

--- The gradient of the input.
function Criterion:backward(input, target)
  return self:updateGradInput(input, target)
end

function Criterion:updateGradInput(input, target)
  return run.backward(self, input, nil, {input = true, target = target})
end

run.takes_from_tape(Criterion.backward, Criterion.updateGradInput)

function Criterion:plain(result)
  return type(result) == 'userdata' and result:nElement() == 1 and result:item()
    or values.detached(result)
end

function Criterion:clone()
  return parameters.clone(self)
end

function Criterion:type(name, cache)
  if name == nil then return self._type or torch.getdefaulttensortype() end
  parameters.convert(self, name, cache)
  return self
end

function Criterion:clearState()
  run.forget(self)
  return self
end

Criterion.float = Module.float
Criterion.double = Module.double
Criterion.half = Module.half
Criterion.__tostring__ = Module.__tostring__
