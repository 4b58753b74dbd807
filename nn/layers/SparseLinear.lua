--- Linear of examples whose features are mostly 0: only the others are given, each as a row
-- {number, value}. Input: one example, (entry, 2); a batch in which all have the same number of
-- entries, (batch, entry, 2); or a table of examples.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local sparse = require 'nn.layers.sparse'
local uniform = require 'nn.layers.uniform'

local SparseLinear = torch.class('nn.SparseLinear', 'nn.Linear')

--- doGradInput: true for the gradient of the values; without it none reaches the input.
function SparseLinear:__init(inputSize, outputSize, doGradInput)
  dims.check_whole('SparseLinear', 'inputSize', inputSize)
  dims.check_whole('SparseLinear', 'outputSize', outputSize)
  self.doGradInput = doGradInput or false
  self:parameter('weight', outputSize, inputSize)
  self:parameter('bias', outputSize)
  self:reset()
end

--- As Linear; the bias is next to 0.
function SparseLinear:reset(stdv)
  uniform(stdv, 1 / math.sqrt(self.weight:size(2)), self.weight, self.bias)
  self.bias:mul(0.000001)
  return self
end

local function check_rows(input, most)
  dims.check(input, 2, most)
  if input:size(input:dim()) ~= 2 then
    error(('input of size [%s], but rows {number, value} expected'):format(dims.text(input)), 0)
  end
  return input
end

-- All entries, (entry, 2), and how many each example has.
local function entries_of(input)
  if torch.isTensor(input) then
    check_rows(input, 3)
    local counts = {}
    local batch = input:dim() == 3 and input:size(1) or 1
    for i = 1, batch do counts[i] = input:size(input:dim() - 1) end
    return torch.reshape(input, input:nElement() / 2, 2), counts
  end
  if type(input) ~= 'table' or #input == 0 then dims.check(input) end
  local counts, parts = {}, {}
  for i, example in ipairs(input) do
    dims.check(example)
    -- An example may have no entries at all.
    if example:nElement() > 0 then parts[#parts + 1] = check_rows(example, 2) end
    counts[i] = example:nElement() / 2
  end
  if #parts == 0 then return input[1]:new_zeros({0, 2}), counts end
  return torch.cat(parts, 1), counts
end

function SparseLinear:updateOutput(input)
  local entries, counts = entries_of(input)
  local keys = torch.select(entries:detach(), 2, 1):to('int64')
  if not self.doGradInput then entries = entries:detach() end
  local rows = torch.index(torch.transpose(self.weight, 1, 2), 1, keys)
  local output = sparse.product(rows, torch.select(entries, 2, 2):contiguous(),
    sparse.places(counts), #counts)
  if self.bias then output = output + self.bias end
  local single = torch.isTensor(input) and input:dim() == 2
  return single and torch.select(output, 1, 1) or output
end
