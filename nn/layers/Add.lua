--- Adds a learned vector to each example: y = x + b.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local uniform = require 'nn.layers.uniform'
require 'nn.Module'

local Add = torch.class('nn.Add', 'nn.Module')

--- scalar: true for one learned number, added to all elements.
function Add:__init(inputSize, scalar)
  local size = scalar and 1 or inputSize
  dims.check_whole('Add', 'inputSize', size)
  self.scalar = size == 1
  self:parameter('bias', size)
  self:reset()
end

function Add:reset(stdv)
  uniform(stdv, 1 / math.sqrt(self.bias:size(1)), self.bias)
  return self
end

--- The elements of one example may have any shape; the first dimension is then a batch's.
function Add:updateOutput(input)
  dims.check(input)
  local bias, count = self.bias, input:nElement()
  if self.scalar then return input + bias end
  local size = bias:size(1)
  if count == size then return input + torch.view(bias, input:size()) end
  if input:dim() < 2 or count ~= size * input:size(1) then
    error(('input of size [%s], but examples of %d elements expected'):format(dims.text(input),
      size), 0)
  end
  if input:size(2) == size then return input + bias end
  return torch.reshape(torch.reshape(input, input:size(1), size) + bias, input:size())
end
