--- The same elements in another shape, for single examples and for batches of them.
local torch = require 'torch'
require 'nn.Module'

local View = torch.class('nn.View', 'nn.Module')

--- nn.View(28, 28): the sizes of one example, of which one may be -1: the rest. When the input
-- holds more elements than that, a dimension for the batch comes first.
function View:__init(...)
  self:resetSize(...)
end

function View:resetSize(...)
  local sizes = ...
  if type(sizes) ~= 'userdata' then
    sizes = torch.LongStorage(type(sizes) == 'table' and sizes or {...})
  end
  self.size, self.numElements = sizes, 1
  local open = 0
  for i = 1, sizes:size() do
    if sizes[i] == -1 then open = open + 1 else self.numElements = self.numElements * sizes[i] end
  end
  if open > 1 or self.numElements < 1 or sizes:size() == 0 then
    error('nn.View: sizes above 0 expected, of which one may be -1', 3)
  end
  self.open = open == 1
  return self
end

--- How many dimensions one example has; those before are the batch's.
function View:setNumInputDims(count)
  self.numInputDims = count
  return self
end

-- How many examples there are, or nil for a single one without a dimension for the batch.
local function batch_of(self, input)
  local dims = input:dim()
  local inner = math.min(self.numInputDims or dims, dims)
  local count, batch = 1, 1
  for d = 1, dims do
    if d > dims - inner then count = count * input:size(d) else batch = batch * input:size(d) end
  end
  if count % self.numElements ~= 0 then
    error(('input of size [%s] cannot be seen as [%s]'):format(
      table.concat(input:size():totable(), 'x'), table.concat(self.size:totable(), 'x')), 0)
  end
  if not self.open then batch = batch * count / self.numElements end
  if batch == 1 and dims <= (self.numInputDims or dims) then return nil end
  return batch
end

function View:updateOutput(input)
  local batch, sizes = batch_of(self, input), self.size:totable()
  if batch then table.insert(sizes, 1, batch) end
  return torch.reshape(input, torch.LongStorage(sizes))
end

function View:__tostring__()
  return ('%s(%s)'):format(torch.type(self), table.concat(self.size:totable(), ', '))
end
