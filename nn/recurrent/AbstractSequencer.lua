--- Base of the modules that run a recurrent module over a whole sequence.
local torch = require 'torch'
require 'nn.Container'
require 'nn.recurrent.methods'

local AbstractSequencer, Container = torch.class('nn.AbstractSequencer', 'nn.Container')

function AbstractSequencer:__init()
  Container.__init(self)
  self._remember = 'neither'
end

--- The module as a recurrent one.
function AbstractSequencer:recurrent(module)
  if not torch.isTypeOf(module, 'nn.Module') then
    error(('%s: a module expected, got %s'):format(torch.type(self), torch.type(module)), 3)
  end
  if torch.isTypeOf(module, 'nn.AbstractRecurrent') then return module end
  return torch.getconstructortable('nn.Recursor')(module)
end

--- Does the next sequence begin where the last one has ended?
function AbstractSequencer:goesOn()
  local when = self._remember
  return when == 'both' or when == (self.train == false and 'eval' or 'train')
end

local WORDS = {both = true, eval = true, train = true, neither = true}

--- When a sequence goes on where the last one ended: 'both' (default), 'train', 'eval', 'neither'.
-- Gradients do not reach the last one.
function AbstractSequencer:remember(when)
  when = when or 'both'
  if not WORDS[when] then
    error(("remember: 'both', 'eval', 'train' or 'neither' expected, got '%s'"):format(
      tostring(when)), 2)
  end
  self._remember = when
  return Container.remember(self, when)
end

--- Takes the recurrent modules to the beginning of a sequence.
function AbstractSequencer:begin(module)
  if self:goesOn() then module:carryOn() else module:forget() end
end

local function switch(name, from)
  AbstractSequencer[name] = function(self)
    if self.train == from or from and self.train == nil then self:forget() end
    return Container[name](self)
  end
end
switch('training', false)
switch('evaluate', true)

--- Zeros in, zeros out, for the recurrent modules inside.
function AbstractSequencer:maskZero(dims)
  for _, module in ipairs(self.modules) do
    if module.maskZero then module:maskZero(dims) end
  end
  return self
end
AbstractSequencer.trimZero = AbstractSequencer.maskZero

function AbstractSequencer:__tostring__()
  return ('%s @ %s'):format(torch.type(self), tostring(self.modules[1]))
end
