--- Modules side by side: each gets one value of a table; the output is the table of theirs.
local torch = require 'torch'
local run = require 'nn.run'
local inputs = require 'nn.tables.inputs'
require 'nn.Container'

local ParallelTable, Container = torch.class('nn.ParallelTable', 'nn.Container')

function ParallelTable:updateOutput(input)
  local outputs, modules = {}, self.modules
  inputs.check_list(input)
  for i = 1, #modules do
    if input[i] == nil then
      error(('a table of %d values, one for each module, expected, got %d'):format(#modules,
        #input), 0)
    end
    outputs[i] = run.call(modules[i], input[i])
  end
  return outputs
end

ParallelTable.__tostring__ = Container.branches
