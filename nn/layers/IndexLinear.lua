--- Linear of examples whose features are mostly 0: only the others are given, by number and value.
-- Input: {keys, values} of one example; {{keys, ...}, {values, ...}} of a batch; or
-- {keys, values, sizes} with all of a batch one after the other, and how many each example has.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local sparse = require 'nn.layers.sparse'
local uniform = require 'nn.layers.uniform'
require 'nn.Module'

local IndexLinear = torch.class('nn.IndexLinear', 'nn.Module')

-- With `normalize` each feature's row of the weight begins with these.
local MAXIMUM, INVERSE, BIAS, HEADER = 1, 2, 3, 4

--- doGradInput: true for the gradient of the values. keysOffset: added to each key. weight, bias:
-- tensors to use instead of new ones. normalize: true to scale each feature by the greatest
-- absolute value that it has had in training, limit the result to [-1, 1] and add a learned bias.
function IndexLinear:__init(inputSize, outputSize, doGradInput, keysOffset, weight, bias, normalize)
  dims.check_whole('IndexLinear', 'inputSize', inputSize)
  dims.check_whole('IndexLinear', 'outputSize', outputSize)
  self.inputSize, self.outputSize = inputSize, outputSize
  self.doGradInput, self.keysOffset = doGradInput or false, keysOffset or 0
  self.normalize = normalize and HEADER or 0
  self.train = true
  self:parameter('weight', inputSize, outputSize + self.normalize)
  self:parameter('bias', outputSize)
  self:reset()
  if weight then self.weight:set(weight) end
  if bias then self.bias:set(bias) end
end

--- Uniform numbers; the bias is next to 0.
function IndexLinear:reset(stdv)
  uniform(stdv, 1 / math.sqrt(self.weight:size(1)), self.weight, self.bias)
  self.bias:mul(0.000001)
  if self.normalize ~= 0 then
    torch.no_grad(function() self.weight:narrow(2, 1, HEADER):zero() end)
  end
  return self
end

-- Keys and values of all examples, in one dimension, and how many each has.
local function flat(input)
  if type(input) ~= 'table' then dims.check_table(input, 2) end
  local keys, vals, counts = input[1], input[2], {}
  if type(keys) == 'table' and type(vals) == 'table' and not torch.typename(keys) then
    dims.check_table(keys, math.max(#keys, 1))
    dims.check_table(vals, #keys)
    for i, part in ipairs(keys) do
      counts[i] = part:nElement()
      if vals[i]:nElement() ~= counts[i] then
        error(('example %d has %d keys and %d values'):format(i, counts[i], vals[i]:nElement()), 0)
      end
    end
    keys, vals = torch.cat(keys, 1), torch.cat(vals, 1)
  else
    dims.check_table(input, 2)
    counts = torch.isTensor(input[3]) and input[3]:totable() or {keys:nElement()}
  end
  local total = 0
  for _, count in ipairs(counts) do total = total + count end
  if keys:nElement() ~= vals:nElement() or keys:nElement() ~= total then
    error(('%d keys and %d values for examples of %d entries'):format(keys:nElement(),
      vals:nElement(), total), 0)
  end
  return torch.reshape(keys:detach(), total):to('int64'), torch.reshape(vals, total), counts
end

-- Values by the greatest that each feature has had; in training this batch counts.
local function normalized(self, keys, vals)
  if self.train then
    torch.no_grad(function()
      local greatest = self.weight:select(2, MAXIMUM)
      local now = torch.scatter_reduce(greatest, 1, keys, torch.abs(vals:detach()), 'amax')
      greatest:copy(now)
      local inverse = torch.where(torch.gt(now, 0), 1 / now, torch.zeros_like(now))
      self.weight:select(2, INVERSE):copy(inverse)
    end)
  end
  local header = torch.index(torch.narrow(self.weight, 2, 1, HEADER), 1, keys)
  local scaled = torch.cmul(vals, torch.select(header:detach(), 2, INVERSE))
  return torch.clamp(scaled, -1, 1) + torch.select(header, 2, BIAS)
end

function IndexLinear:updateOutput(input)
  local keys, vals, counts = flat(input)
  keys = keys + self.keysOffset
  vals = vals:typeAs(self.weight)
  if not self.doGradInput then vals = vals:detach() end
  if self.normalize ~= 0 then vals = normalized(self, keys, vals) end
  local weight = torch.narrow(self.weight, 2, self.normalize + 1, self.outputSize)
  local output = sparse.product(torch.index(weight, 1, keys), vals, sparse.places(counts), #counts)
  output = output + self.bias
  local single = torch.isTensor(input[1]) and input[3] == nil
  return single and torch.select(output, 1, 1) or output
end

function IndexLinear:__tostring__()
  return ('%s(%d -> %d)'):format(torch.type(self), self.inputSize, self.outputSize)
end
