--- A criterion of what modules make of input and target.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.Criterion'

local ModuleCriterion, Criterion = torch.class('nn.ModuleCriterion', 'nn.Criterion')

--- inputModule, targetModule: modules, or nil to take the one or the other as it is. castTarget:
-- false leaves the target's module as it is when the type changes.
function ModuleCriterion:__init(criterion, inputModule, targetModule, castTarget)
  Criterion.__init(self)
  self.criterion, self.inputModule, self.targetModule = criterion, inputModule, targetModule
  self.castTarget = castTarget ~= false
  for _, part in pairs {criterion, inputModule, targetModule} do run.adopt(part) end
end

function ModuleCriterion:updateOutput(input, target)
  if self.inputModule then input = self.inputModule(input) end
  if self.targetModule then target = self.targetModule(target) end
  return self.criterion(input, target)
end

function ModuleCriterion:type(name, cache)
  if name == nil or self.castTarget then return Criterion.type(self, name, cache) end
  local kept = self.targetModule
  self.targetModule = nil
  Criterion.type(self, name, cache)
  self.targetModule = kept
  return self
end
