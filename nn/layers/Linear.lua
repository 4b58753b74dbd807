--- Fully connected layer, y = x W' + b. Rows of x are examples; a single example may be a vector.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local uniform = require 'nn.layers.uniform'
require 'nn.Module'

local Linear = torch.class('nn.Linear', 'nn.Module')

--- bias: pass false to drop b.
function Linear:__init(inputSize, outputSize, bias)
  dims.check_whole('Linear', 'inputSize', inputSize)
  dims.check_whole('Linear', 'outputSize', outputSize)
  self:parameter('weight', outputSize, inputSize)
  if bias ~= false then self:parameter('bias', outputSize) end
  self:reset()
end

--- Uniform numbers of this standard deviation; by default within 1 / sqrt(inputSize).
function Linear:reset(stdv)
  uniform(stdv, 1 / math.sqrt(self.weight:size(2)), self.weight, self.bias)
  return self
end

--- Drops the bias.
function Linear:noBias()
  self.bias, self.gradBias = nil, nil
  return self
end

-- Bytes of an image, say, are numbers too.
local INTEGERS = {uint8 = true, int8 = true, int16 = true, int32 = true, int64 = true, bool = true}

function Linear:updateOutput(input)
  local weight = self.weight
  if type(input) ~= 'userdata' then dims.check(input) end
  if getmetatable(input) ~= getmetatable(weight) and INTEGERS[input.dtype] then
    input = input:typeAs(weight)
  end
  return torch.linear(input, weight, self.bias)
end

function Linear:__tostring__()
  return ('%s(%d -> %d)%s'):format(torch.type(self), self.weight:size(2), self.weight:size(1),
    self.bias and '' or ' without bias')
end
