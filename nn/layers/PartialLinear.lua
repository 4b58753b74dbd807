--- Linear of which only some outputs are wanted, as when there are very many: those that
-- setPartition names are computed, and only they get gradients.
local torch = require 'torch'
local dims = require 'nn.layers.dims'

local PartialLinear, Linear = torch.class('nn.PartialLinear', 'nn.Linear')

--- bias: pass false to have none.
function PartialLinear:__init(inputSize, outputSize, bias)
  Linear.__init(self, inputSize, outputSize, bias)
  self.inputsize, self.outputsize = inputSize, outputSize
  self.allOutputs = torch.range(1, outputSize):to('int64')
  self:resetPartition()
end

--- From now on the outputs are those with these numbers (a LongTensor or a table), in this order.
function PartialLinear:setPartition(indices)
  if type(indices) == 'table' then indices = torch.LongTensor(indices) end
  if not torch.isTensor(indices) or indices:dim() ~= 1 then
    error('nn.PartialLinear: a list of numbers of outputs expected', 2)
  end
  indices = indices:to('int64')
  local low, high = indices:min(), indices:max()
  if low < 1 or high > self.outputsize then
    error(('nn.PartialLinear: outputs from 1 to %d expected, got %d'):format(self.outputsize,
      low < 1 and low or high), 2)
  end
  self.partition = indices:clone()
  return self
end

--- All outputs again.
function PartialLinear:resetPartition()
  self.partition = self.allOutputs
  return self
end

function PartialLinear:updateOutput(input)
  dims.check(input)
  if self.partition == self.allOutputs then return torch.linear(input, self.weight, self.bias) end
  return torch.linear(input, torch.index(self.weight, 1, self.partition),
    self.bias and torch.index(self.bias, 1, self.partition))
end
