--- Counts which classes are taken for which: mat[target][prediction].
local torch = require 'torch'

local package = {}
local ConfusionMatrix = torch.class('optim.ConfusionMatrix', package)

--- optim.ConfusionMatrix(n [, classes]) or optim.ConfusionMatrix(classes): how many classes, and
-- their names.
function ConfusionMatrix:__init(nclasses, classes)
  if type(nclasses) == 'table' then nclasses, classes = #nclasses, nclasses end
  if type(nclasses) ~= 'number' or nclasses < 1 or nclasses % 1 ~= 0 then
    error('optim.ConfusionMatrix: the number of classes, or a table of their names, expected, got '
      .. tostring(nclasses), 3)
  end
  if classes and #classes ~= 0 and #classes ~= nclasses then
    error(('optim.ConfusionMatrix: %d names for %d classes'):format(#classes, nclasses), 3)
  end
  self.nclasses, self.classes = nclasses, classes or {}
  self.mat = torch.LongTensor(nclasses, nclasses):zero()
  self.valids = torch.FloatTensor(nclasses):zero()
  self.unionvalids = torch.FloatTensor(nclasses):zero()
  self.totalValid, self.averageValid, self.averageUnionValid = 0, 0, 0
end

-- ---------------------------------------------------------------------------------------------
-- Counting.

local function check_class(self, value, what)
  if not (value >= 1 and value <= self.nclasses and value % 1 == 0) then
    error(('optim.ConfusionMatrix: %s %g is out of range: there are classes 1 to %d'):format(what,
      value, self.nclasses), 4)
  end
  return value
end

-- A number, a tensor of one, or a tensor with a score for each class.
local function class_of(self, value, what)
  if type(value) == 'number' then return check_class(self, value, what) end
  if not torch.isTensor(value) then
    error(('optim.ConfusionMatrix: %s: a class, or a tensor of scores, expected, got %s'):format(
      what, torch.type(value)), 4)
  end
  value = value:detach():reshape(value:nElement())
  if value:nElement() == 1 then return check_class(self, value[1], what) end
  if value:nElement() ~= self.nclasses then
    error(('optim.ConfusionMatrix: %s: %d scores for %d classes'):format(what, value:nElement(),
      self.nclasses), 4)
  end
  local _, best = value:max(1)
  return best[1]
end

--- One example: each a class, or a tensor with a score for each class.
function ConfusionMatrix:add(prediction, target)
  local p, t = class_of(self, prediction, 'prediction'), class_of(self, target, 'target')
  self.mat[t][p] = self.mat[t][p] + 1
end

-- (batch) or (batch, class) as a LongTensor (batch) of the CPU.
local function classes_of(self, values, what)
  if not torch.isTensor(values) then
    error(('optim.ConfusionMatrix: %s: a tensor expected, got %s'):format(what,
      torch.type(values)), 4)
  end
  values = values:detach()
  if values:dim() > 1 and values:nElement() ~= values:size(1) then
    values = values:reshape(values:size(1), values:nElement() / values:size(1))
    if values:size(2) ~= self.nclasses then
      error(('optim.ConfusionMatrix: %s: %d scores for %d classes'):format(what, values:size(2),
        self.nclasses), 4)
    end
    local _, best = values:max(2)
    return best:view(best:nElement()):cpu()
  end
  values = values:reshape(values:nElement()):long()
  if values:nElement() > 0 then
    check_class(self, values:min(), what)
    check_class(self, values:max(), what)
  end
  return values
end

--- Many examples: each (batch) of classes, or (batch, class) of scores.
function ConfusionMatrix:batchAdd(predictions, targets)
  local p, t = classes_of(self, predictions, 'predictions'), classes_of(self, targets, 'targets')
  if p:nElement() ~= t:nElement() then
    error(('optim.ConfusionMatrix: %d predictions for %d targets'):format(p:nElement(),
      t:nElement()), 2)
  end
  local places = (t - 1) * self.nclasses + p
  self.mat:view(self.nclasses * self.nclasses):indexAdd(1, places, torch.ones_like(places))
end

function ConfusionMatrix:zero()
  self.mat:zero()
  self.valids:zero()
  self.unionvalids:zero()
  self.totalValid, self.averageValid, self.averageUnionValid = 0, 0, 0
end

-- ---------------------------------------------------------------------------------------------
-- Measures.

-- Mean of the entries that are numbers: classes that occur.
local function mean_of(rates)
  local sum, count = 0, 0
  for i = 1, rates:size(1) do
    if rates[i] == rates[i] then sum, count = sum + rates[i], count + 1 end
  end
  return count > 0 and sum / count or 0
end

-- For each class: how often it was right, was the target, was predicted.
local function counts(self)
  local mat = self.mat:double()
  return torch.diag(mat), mat:sum(2):view(-1), mat:sum(1):view(-1)
end

--- Calculates valids, of each class the part that was recognized (NaN where it does not occur);
-- unionvalids, that part of all that was or was taken for it; their means averageValid and
-- averageUnionValid; and totalValid, the part of all examples that was right.
function ConfusionMatrix:updateValids()
  local right, targets, predictions = counts(self)
  self.valids:copy(torch.cdiv(right, targets))
  self.unionvalids:copy(torch.cdiv(right, targets + predictions - right))
  local total = targets:sum()
  self.totalValid = total > 0 and right:sum() / total or 0
  self.averageValid = mean_of(self.valids)
  self.averageUnionValid = mean_of(self.unionvalids)
end

--- False rejections, of each class the part that was taken for others, and false acceptances, of
-- all others the part that was taken for it: two tensors, and then their means.
function ConfusionMatrix:farFrr()
  local right, targets, predictions = counts(self)
  local rejected = torch.cdiv(targets - right, targets)
  local accepted = torch.cdiv(predictions - right, targets:sum() - targets)
  return rejected, accepted, mean_of(rejected), mean_of(accepted)
end

-- ---------------------------------------------------------------------------------------------
-- Text and picture.

local function row_text(self, t, digits)
  local cells = {}
  for p = 1, self.nclasses do
    cells[p] = ('%' .. digits .. '.0f'):format(self.mat[t][p])
  end
  local last = t == self.nclasses
  return (t == 1 and '[[' or ' [') .. table.concat(cells) .. (last and ']]  ' or ']   ')
    .. ('%.3f%%'):format(self.valids[t] * 100)
    .. (self.classes[t] and ' \t[class: ' .. tostring(self.classes[t]) .. ']' or '')
end

function ConfusionMatrix:__tostring__()
  self:updateValids()
  local digits = math.max(8, #('%.0f'):format(self.mat:max()) + 1)
  local lines = {'ConfusionMatrix:'}
  for t = 1, self.nclasses do lines[#lines + 1] = row_text(self, t, digits) end
  lines[#lines + 1] = ' + average row correct: ' .. self.averageValid * 100 .. '% '
  lines[#lines + 1] = ' + average rowUcol correct (VOC measure): '
    .. self.averageUnionValid * 100 .. '% '
  lines[#lines + 1] = ' + global correct: ' .. self.totalValid * 100 .. '%'
  return table.concat(lines, '\n')
end

--- The matrix as an image (3, height, width), a square of `block` (25) pixels for each entry: the
-- more of a row an entry has the brighter, green what is right and red what is wrong. sortmode:
-- 'score' for the best classes first, 'occurrence' for the most frequent.
function ConfusionMatrix:render(sortmode, _, block)
  self:updateValids()
  block = block or 25
  local n, order = self.nclasses, {}
  local _, targets = counts(self)
  for i = 1, n do order[i] = i end
  local measure = sortmode == 'score' and self.valids or sortmode == 'occurrence' and targets
  if measure then
    table.sort(order, function(a, b)
      local x, y = measure[a], measure[b]
      if x ~= x then x = -1 end
      if y ~= y then y = -1 end
      return x > y or x == y and a < b
    end)
  end
  local image = torch.zeros(3, n * block, n * block)
  for row, t in ipairs(order) do
    for column, p in ipairs(order) do
      local share = targets[t] > 0 and self.mat[t][p] / targets[t] or 0
      image[t == p and 2 or 1]:narrow(1, (row - 1) * block + 1, block)
        :narrow(2, (column - 1) * block + 1, block):fill(share)
    end
  end
  return image
end

return package
