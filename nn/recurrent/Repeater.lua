--- Runs a module on the same input again and again; gives the table of the outputs.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.recurrent.AbstractSequencer'

local Repeater, AbstractSequencer = torch.class('nn.Repeater', 'nn.AbstractSequencer')

--- rho: how often.
function Repeater:__init(module, rho)
  AbstractSequencer.__init(self)
  if type(rho) ~= 'number' or rho < 1 then
    error(('nn.Repeater: a number of steps from 1 expected, got %s'):format(tostring(rho)), 3)
  end
  self.rho = rho
  self.module = self:recurrent(module)
  self:add(self.module)
end

function Repeater:updateOutput(input)
  local module, outputs = self.modules[1], {}
  self:begin(module)
  for t = 1, self.rho do outputs[t] = run.call(module, input) end
  return outputs
end
