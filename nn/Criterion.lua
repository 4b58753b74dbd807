--- Base of the losses. A class defines updateOutput(input, target) with pure operations.
-- criterion(y, target) is tied to the graph: loss:backward(). Torch7's criterion:forward(y, target)
-- returns a number, and criterion:backward(y, target) the gradient of y.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
local conversion = require 'nn.conversion'
local Module = torch.getmetatable('nn.Module')

local Criterion = torch.class('nn.Criterion')

-- What every criterion has from the beginning, whether or not its constructor calls this class's.
function Criterion:__new()
  run.prepare(getmetatable(self))
  self.output, self.gradInput = 0, torch.Tensor()
  self._type = torch.getdefaulttensortype()
end

--- Classes that were written for Torch7 call this; others need not.
function Criterion:__init()
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

function Criterion:clearState()
  run.forget(self)
  values.clear(self, 'gradInput')
  return self
end

for _, name in ipairs {'clone', 'type', 'float', 'double', 'half', 'bfloat16', 'cudaHalf',
    'cudaFloat', 'cudaDouble', 'cudaBFloat16', '__tostring__'} do
  Criterion[name] = Module[name]
end

for method in pairs {to = true, cpu = true, cuda = true} do
  Criterion[method] = function(self, ...)
    run.forget(self)
    conversion.move(self, Criterion, method, ...)
    return self
  end
end
