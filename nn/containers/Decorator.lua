--- A module around another one. By itself it does what that one does; classes derive from it.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.Container'

local Decorator, Container = torch.class('nn.Decorator', 'nn.Container')

function Decorator:__init(module)
  Container.__init(self)
  self:add(module)
end

function Decorator:updateOutput(input)
  return run.call(self.modules[1], input)
end

function Decorator:__tostring__()
  return ('%s @ %s'):format(torch.type(self), tostring(self.modules[1]))
end

--- Makes a class that derives from another one a decorator, too.
function Decorator.decorate(class)
  class.updateOutput = Decorator.updateOutput
  class.__tostring__ = Decorator.__tostring__
end
