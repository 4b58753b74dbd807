--- y = x1' W x2 + b, for each output a matrix W. Input: {(batch, size1), (batch, size2)}, or two
-- vectors.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local uniform = require 'nn.layers.uniform'
require 'nn.Module'

local Bilinear = torch.class('nn.Bilinear', 'nn.Module')

--- bias: pass false to drop b.
function Bilinear:__init(inputSize1, inputSize2, outputSize, bias)
  dims.check_whole('Bilinear', 'inputSize1', inputSize1)
  dims.check_whole('Bilinear', 'inputSize2', inputSize2)
  dims.check_whole('Bilinear', 'outputSize', outputSize)
  self:parameter('weight', outputSize, inputSize1, inputSize2)
  if bias ~= false then self:parameter('bias', outputSize) end
  self:reset()
end

function Bilinear:reset(stdv)
  uniform(stdv, 1 / math.sqrt(self.weight:size(2)), self.weight, self.bias)
  return self
end

local function check(self, input)
  dims.check_table(input, 2)
  local a, b = input[1], input[2]
  for i = 1, 2 do
    dims.check(input[i], 1, 2)
    local size, wanted = input[i]:size(input[i]:dim()), self.weight:size(i + 1)
    if size ~= wanted then
      error(('input %d has %d features, expected %d'):format(i, size, wanted), 0)
    end
  end
  if a:dim() ~= b:dim() or a:dim() == 2 and a:size(1) ~= b:size(1) then
    error(('inputs of size [%s] and [%s] are not the same number of examples'):format(
      dims.text(a), dims.text(b)), 0)
  end
  return a, b
end

function Bilinear:updateOutput(input)
  local a, b = check(self, input)
  local weight, single = self.weight, a:dim() == 1
  local outputs, size1, size2 = weight:size(1), weight:size(2), weight:size(3)
  if single then a, b = torch.view(a, 1, size1), torch.view(b, 1, size2) end
  local batch = a:size(1)
  -- (batch, output, size1) times (batch, size1, 1)
  local right = torch.linear(b, torch.reshape(weight, outputs * size1, size2))
  local output = torch.bmm(torch.reshape(right, batch, outputs, size1),
    torch.reshape(a, batch, size1, 1))
  output = torch.reshape(output, batch, outputs)
  if self.bias then output = output + self.bias end
  return single and torch.reshape(output, outputs) or output
end

function Bilinear:__tostring__()
  local weight = self.weight
  return ('%s(%dx%d -> %d)%s'):format(torch.type(self), weight:size(2), weight:size(3),
    weight:size(1), self.bias and '' or ' without bias')
end
