--- Log-probabilities of classes that are the leaves of a tree: the sum of those of the turns on the
-- way from the root, each of which is a softmax over few children. Morin and Bengio 2005.
local torch = require 'torch'
require 'nn.Module'

local SoftMaxTree = torch.class('nn.SoftMaxTree', 'nn.Module')

local function list_of(children)
  return torch.isTensor(children) and children:totable() or children
end

--- hierarchy: {[parent] = list or tensor of its children, ...}; ids are any whole numbers.
-- rootId: -1 by default. accUpdate, static, verbose: accepted for dpnn's sake.
function SoftMaxTree:__init(inputSize, hierarchy, rootId, accUpdate, static, verbose)
  self.rootId = rootId or -1
  self.inputSize, self.accUpdate, self.static, self.verbose = inputSize, accUpdate, static, verbose
  if type(hierarchy) ~= 'table' or not hierarchy[self.rootId] then
    error(('nn.SoftMaxTree: a hierarchy with children of the root, %s, expected'):format(
      tostring(self.rootId)), 3)
  end
  -- Of each parent, which rows of the weight are its children's; of each child, its parent and
  -- place.
  self.rows, self.places = {}, {}
  local parents, count = {}, 0
  for parent in pairs(hierarchy) do parents[#parents + 1] = parent end
  table.sort(parents)
  for _, parent in ipairs(parents) do
    local children = list_of(hierarchy[parent])
    self.rows[parent] = {count + 1, #children}
    for k, child in ipairs(children) do
      if self.places[child] then
        error(('nn.SoftMaxTree: %d is a child of %d and of %d'):format(child,
          self.places[child][1], parent), 3)
      end
      self.places[child] = {parent, k}
    end
    count = count + #children
  end
  self:parameter('weight', count, inputSize)
  self:parameter('bias', count)
  self:reset()
end

function SoftMaxTree:reset(stdv)
  stdv = stdv and stdv * math.sqrt(3) or 1 / math.sqrt(self.inputSize)
  self.weight:uniform(-stdv, stdv)
  self.bias:uniform(-stdv, stdv)
end

-- For each parent on the way to one of the targets: the examples that pass it, and their turns.
local function turns_of(self, target)
  local turns, order = {}, {}
  for i, class in ipairs(target:totable()) do
    local node, steps = class, 0
    while node ~= self.rootId do
      local place = self.places[node]
      steps = steps + 1
      if not place or steps > 1000 then
        error(('target %d at position %d has no way to the root'):format(class, i), 0)
      end
      local parent = place[1]
      if not turns[parent] then
        turns[parent] = {rows = {}, turns = {}}
        order[#order + 1] = parent
      end
      table.insert(turns[parent].rows, i)
      table.insert(turns[parent].turns, place[2])
      node = parent
    end
  end
  table.sort(order)
  return turns, order
end

--- input: {x (batch, inputSize), target (batch)}. Gives the log-probability of each target (batch).
function SoftMaxTree:updateOutput(input)
  if type(input) ~= 'table' or not torch.isTensor(input[1]) or not torch.isTensor(input[2]) then
    error('a table {input, target} of tensors expected', 0)
  end
  local x, target = input[1], input[2]
  if x:dim() == 1 then x = torch.unsqueeze(x, 1) end
  if x:size(2) ~= self.inputSize then
    error(('input has %d features, expected %d'):format(x:size(2), self.inputSize), 0)
  end
  if target:nElement() ~= x:size(1) then
    error(('%d targets expected, one for each example, got %d'):format(x:size(1),
      target:nElement()), 0)
  end
  local turns, order = turns_of(self, target:view(-1))
  local total = torch.zeros_like(x:detach():select(2, 1))
  for _, parent in ipairs(order) do
    local first, count = self.rows[parent][1], self.rows[parent][2]
    local rows = torch.LongTensor(turns[parent].rows)
    local places = torch.LongTensor(turns[parent].turns):view(-1, 1)
    local sums = torch.linear(torch.index(x, 1, rows), torch.narrow(self.weight, 1, first, count),
      torch.narrow(self.bias, 1, first, count))
    local logs = torch.gather(torch.log_softmax(sums, 2), 2, places)
    total = torch.indexAdd(total, 1, rows, torch.reshape(logs, rows:size(1)))
  end
  return total
end

function SoftMaxTree:__tostring__()
  return ('%s(%d -> %d)'):format(torch.type(self), self.inputSize, self.weight:size(1))
end
