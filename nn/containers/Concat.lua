--- Modules side by side, which all get the input; their outputs are joined along a dimension.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.Container'

local Concat, Container = torch.class('nn.Concat', 'nn.Container')

function Concat:__init(dimension)
  Container.__init(self)
  self.dimension = dimension or 1
end

--- The outputs of the modules, as a list.
function Concat:outputs(input)
  local outputs, modules = {}, self.modules
  for i = 1, #modules do outputs[i] = run.call(modules[i], input) end
  if #outputs == 0 then error('no module to run: add one first', 0) end
  return outputs
end

function Concat:updateOutput(input)
  return torch.cat(self:outputs(input), self.dimension)
end

Concat.__tostring__ = Container.branches
