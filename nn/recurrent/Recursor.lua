--- Any module, step by step. The recurrent modules inside of it remember; it is run with the same
-- parameters at each step.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.recurrent.AbstractRecurrent'

local Recursor, AbstractRecurrent = torch.class('nn.Recursor', 'nn.AbstractRecurrent')

--- rho: how many steps backward can go back.
function Recursor:__init(module, rho)
  AbstractRecurrent.__init(self, rho or 9999999)
  self:add(module)
  self.recurrentModule = module
end

function Recursor:advance(input)
  return run.call(self.modules[1], input), nil
end

-- The recurrent modules inside, in order.
local function inner(self)
  local list = {}
  self:eachRecurrent(function(module)
    if module ~= self and not torch.isTypeOf(module, Recursor) then list[#list + 1] = module end
  end)
  return list
end

--- Those of the recurrent modules inside, as a list in their order.
function Recursor:getHiddenState(step)
  local states = {}
  for i, module in ipairs(inner(self)) do states[i] = module:getHiddenState(step) end
  return states
end

function Recursor:setHiddenState(step, states)
  for i, module in ipairs(inner(self)) do module:setHiddenState(step, states and states[i]) end
end

function Recursor:getGradHiddenState(step)
  local gradients = {}
  for i, module in ipairs(inner(self)) do gradients[i] = module:getGradHiddenState(step) end
  return gradients
end

function Recursor:setGradHiddenState(step, gradients)
  for i, module in ipairs(inner(self)) do module:setGradHiddenState(step, gradients[i]) end
end

function Recursor:maskZero(dims)
  for _, module in ipairs(inner(self)) do module:maskZero(dims) end
  return AbstractRecurrent.maskZero(self, dims)
end

function Recursor:__tostring__()
  return ('%s @ %s'):format(torch.type(self), tostring(self.modules[1]))
end
