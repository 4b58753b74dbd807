--- Modules side by side, which all get the input; the output is the table of theirs.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.Container'

local ConcatTable, Container = torch.class('nn.ConcatTable', 'nn.Container')

function ConcatTable:updateOutput(input)
  local outputs, modules = {}, self.modules
  for i = 1, #modules do outputs[i] = run.call(modules[i], input) end
  return outputs
end

ConcatTable.__tostring__ = Container.branches
