--- One module for each value of a table; the output is the table of the results.
local torch = require 'torch'
local run = require 'nn.run'
local inputs = require 'nn.tables.inputs'
require 'nn.Container'

local MapTable, Container = torch.class('nn.MapTable', 'nn.Container')

--- shared: false for copies of the module that learn on their own.
function MapTable:__init(module, shared)
  Container.__init(self)
  self.shared = shared == nil or shared
  if module then self:add(module) end
end

--- The module; the others are its copies.
function MapTable:add(module)
  if self.modules[1] then error('nn.MapTable: it has its module already', 2) end
  self.module = module
  return Container.add(self, module)
end

--- Makes it ready for tables of this many values.
function MapTable:resize(count)
  if not self.module then error('no module to run: add one first', 0) end
  for i = #self.modules + 1, count do
    self.modules[i] = self.shared and self.module:sharedClone() or self.module:clone()
    run.adopt(self.modules[i])
  end
  for i = #self.modules, math.max(count, 1) + 1, -1 do self.modules[i] = nil end
  return self
end

function MapTable:updateOutput(input)
  inputs.check_list(input)
  self:resize(#input)
  local output = {}
  for i, value in ipairs(input) do output[i] = run.call(self.modules[i], value) end
  return output
end

--- What the copies share counts once.
function MapTable:parameters()
  if self.shared and self.module then return self.module:parameters() end
  return Container.parameters(self)
end

--- Copies that share all with the module can be made again.
function MapTable:clearState()
  if self.module and self.shared then self:resize(1) end
  return Container.clearState(self)
end

function MapTable:replace(fn)
  local out = Container.replace(self, fn)
  if rawequal(out, self) then self.module = self.modules[1] end
  return out
end

MapTable.__tostring__ = Container.branches
