--- Modules side by side: each gets one slice of the input; their outputs are joined.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.Container'

local Parallel, Container = torch.class('nn.Parallel', 'nn.Container')

--- inputDimension: that of the slices, which do not have it. outputDimension: where to join.
function Parallel:__init(inputDimension, outputDimension)
  Container.__init(self)
  self.inputDimension = inputDimension
  self.outputDimension = outputDimension
end

function Parallel:updateOutput(input)
  local count = input:size(self.inputDimension)
  if count > #self.modules or count == 0 then
    error(('input has %d slices along dimension %d, expected as many as modules, %d'):format(
      count, self.inputDimension, #self.modules), 0)
  end
  local outputs = {}
  for i = 1, count do
    outputs[i] = run.call(self.modules[i], torch.select(input, self.inputDimension, i))
  end
  return torch.cat(outputs, self.outputDimension)
end

Parallel.__tostring__ = Container.branches
