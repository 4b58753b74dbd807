--- A module that keeps its type when the model around it changes its own.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
require 'nn.containers.Decorator'

local DontCast, Decorator = torch.class('nn.DontCast', 'nn.Decorator')

--- castin: converts the input to the module's type. castout, by default as castin: converts the
-- output to the type of the model around. moduleType: the module's, where it has no parameters.
function DontCast:__init(module, castin, castout, moduleType)
  Decorator.__init(self, module)
  self.castin = castin or false
  self.castout = castout == nil and self.castin or castout or false
  self.moduleType = moduleType or module:type()
end

local function cast(value, name)
  return values.map(function(tensor)
    return tensor:type() == name and tensor or tensor:type(name)
  end, value)
end

function DontCast:updateOutput(input)
  if self.castin then input = cast(input, self.moduleType) end
  local output = run.call(self.modules[1], input)
  return self.castout and cast(output, self._type) or output
end

--- Notes the type of the model around.
function DontCast:type(name)
  if name == nil then return self._type end
  self._type = name
  return self
end

-- The same of its place.
for method in pairs {cuda = true, cpu = true, to = true} do
  DontCast[method] = function(self, ...)
    local probe = torch.Tensor():type(self._type)
    return self:type(probe[method](probe, ...):type())
  end
end
