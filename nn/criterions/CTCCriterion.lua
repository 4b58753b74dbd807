--- Loss of sequences of labels whose alignment with the input is not known (Graves et al. 2006).
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
local run = require 'nn.run'
require 'nn.Criterion'

local CTCCriterion, Criterion = torch.class('nn.CTCCriterion', 'nn.Criterion')

--- batchFirst: true for inputs of (batch, time, class). options, or in the place of batchFirst:
-- blank = 0; zero_infinity = false, true to count targets that are longer than their input as 0;
-- reduction = 'sum' over the batch, 'mean' of each loss divided by its number of labels, or 'none'.
function CTCCriterion:__init(batchFirst, options)
  if type(batchFirst) == 'table' then batchFirst, options = nil, batchFirst end
  losses.setup(self, options, {blank = 0, zero_infinity = false, batchFirst = false})
  self.reduction = self.reduction or 'sum'
  if batchFirst ~= nil then self.batchFirst = batchFirst end
end

-- ---------------------------------------------------------------------------------------------
-- Arguments: criterion(input, targets [, sizes [, target_sizes]]), and what the base class passes
-- on as one.

local Packed = {}

local function pack(targets, sizes, target_sizes)
  if type(targets) == 'table' and rawequal(targets.packed, Packed) then return targets end
  return {packed = Packed, targets = targets, sizes = sizes, target_sizes = target_sizes}
end

function CTCCriterion:__call__(input, ...) return Criterion.__call__(self, input, pack(...)) end
function CTCCriterion:forward(input, ...) return Criterion.forward(self, input, pack(...)) end
function CTCCriterion:updateGradInput(input, ...)
  return Criterion.updateGradInput(self, input, pack(...))
end
CTCCriterion.backward = CTCCriterion.updateGradInput
run.takes_from_tape(CTCCriterion.backward, CTCCriterion.updateGradInput)

local function as_list(value)
  return torch.isTensor(value) and value:reshape(value:nElement()):totable() or value
end

-- Rows of labels as one list of all, and their lengths. A row may be a table, a tensor or a number.
local function join(rows)
  local all, lengths = {}, {}
  for i, row in ipairs(rows) do
    if type(row) == 'number' then row = {row} end
    row = as_list(row)
    if type(row) ~= 'table' then
      error(('target %d: a table or tensor of labels expected, got %s'):format(i,
        torch.type(row)), 0)
    end
    for _, label in ipairs(row) do all[#all + 1] = label end
    lengths[i] = #row
  end
  return torch.LongTensor(all), torch.LongTensor(lengths)
end

-- Rows (batch, label), filled up with blanks at their ends.
local function lengths_of(rows, blank)
  local lengths = torch.LongTensor(rows:size(1)):zero()
  rows = rows:cpu()
  for i = 1, rows:size(1) do
    for k = 1, rows:size(2) do
      if rows[i][k] ~= blank then lengths[i] = k end
    end
  end
  return lengths
end

-- The labels, and for each sample how many they are.
local function read_targets(self, packed, single)
  local targets, lengths = packed.targets, packed.target_sizes
  if type(targets) == 'table' then
    if single and type(targets[1]) == 'number' then targets = {targets} end
    return join(targets)
  end
  losses.check_tensor(targets, 'target')
  if lengths ~= nil then
    return targets, type(lengths) == 'table' and torch.LongTensor(lengths) or lengths
  end
  if targets:dim() == 2 then return targets, lengths_of(targets, self.blank) end
  if single then return targets, targets:nElement() end
  error('target: a table of labels, a tensor (batch, label), or target sizes expected', 0)
end

-- The lengths of the inputs: all of them where none are given.
local function read_sizes(packed, time, batch)
  local sizes = packed.sizes
  if sizes == nil then return torch.LongTensor(batch):fill(time) end
  return type(sizes) == 'table' and torch.LongTensor(sizes) or sizes
end

-- Labels and lengths go where the input is.
local function beside(input, value)
  return torch.isTensor(value) and value:to(input.device) or value
end

-- ---------------------------------------------------------------------------------------------

--- input: (time, batch, class) or (time, class), before or after a LogSoftMax. As in warp-ctc and
-- elsewhere, labels count from 0 and the blank is 0: label k stands for column k + 1. targets: a
-- table of tables of labels; or a tensor (batch, label), filled up with blanks; or with
-- `target_sizes` a tensor of all labels. sizes: of each sample, how many time steps count.
function CTCCriterion:updateOutput(input, ...)
  local packed = pack(...)
  losses.check_tensor(input)
  if input:dim() ~= 2 and input:dim() ~= 3 then
    error(('input: size (time, batch, class) or (time, class) expected, got %s'):format(
      losses.size_text(input)), 0)
  end
  local single = input:dim() == 2
  if self.batchFirst and not single then input = input:transpose(1, 2) end
  local targets, lengths = read_targets(self, packed, single)
  local sizes = read_sizes(packed, input:size(1), single and 1 or input:size(2))
  local values = torch.ctc_loss(torch.log_softmax(input, input:dim()), beside(input, targets),
    beside(input, sizes), beside(input, lengths), self.blank, self.zero_infinity, 0)
  if self.reduction == 'none' or single and self.reduction == 'sum' then return values end
  if self.reduction == 'sum' then return values:sum() end
  local count = type(lengths) == 'number' and math.max(lengths, 1)
    or torch.clamp(losses.typed_as(lengths, input), 1, math.huge)
  values = values / count
  return type(values) == 'number' and values or values:mean()
end
