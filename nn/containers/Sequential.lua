--- Modules one after the other: the output of each is the input of the next.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.Container'

local Sequential, Container = torch.class('nn.Sequential', 'nn.Container')

--- nn.Sequential(a, b, c), or nn.Sequential():add(a):add(b).
function Sequential:__init(...)
  Container.__init(self)
  for _, module in ipairs {...} do self:add(module) end
end

function Sequential:updateOutput(input)
  local modules, call = self.modules, run.call
  for i = 1, #modules do input = call(modules[i], input) end
  return input
end

function Sequential:__tostring__()
  local way = {'[input'}
  for i = 1, #self.modules do way[i + 1] = ('(%d)'):format(i) end
  way[#way + 1] = 'output]'
  return self:listing(table.concat(way, ' -> '))
end
