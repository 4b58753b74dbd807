--- Sums of products over named dimensions: torch.einsum, torch.tensordot, torch.multi_dot.
--
-- An operand is a tensor with a label for each of its dimensions. Two of them are contracted by one
-- (batched) matrix product: what both have and the result still needs is the batch, what both have
-- and nobody needs any more is summed over, the rest are rows and columns.
local torch = require 'torch'

local einsum = {}

local function set_of(list)
  local set = {}
  for _, label in ipairs(list) do set[label] = true end
  return set
end

local function position(list, label)
  for k, other in ipairs(list) do
    if other == label then return k end
  end
  return nil
end

-- Torch7 knows no empty list of sizes: one element is a tensor of no dimension by `select`.
local function reshaped(x, sizes)
  if #sizes == 0 then return x:reshape(torch.LongStorage()) end
  return x:reshape(torch.LongStorage(sizes))
end

local function permuted(x, order)
  local moved = false
  for k, d in ipairs(order) do moved = moved or k ~= d end
  return moved and x:permute(order) or x
end

-- Sums over one dimension, which goes; integers keep their type.
local function summed(x, dim)
  local y = torch.sum(x, dim, false)
  if torch.isTensor(y) then return y.dtype == x.dtype and y or y:to(x.dtype) end
  return torch.tensor(y, {dtype = x.dtype}) -- of a vector, a plain number
end

-- An operand whose label stands for dimensions i and j > i: their diagonal, in place of i.
local function diagonal(x, i, j)
  local order, sizes = {}, {}
  for d = 1, x:dim() do
    if d ~= i and d ~= j then
      order[#order + 1] = d
      sizes[#sizes + 1] = x:size(d)
    end
  end
  local n = x:size(i)
  order[#order + 1], order[#order + 2] = i, j
  sizes[#sizes + 1] = n * n
  local places = torch.LongTensor(n)
  for k = 1, n do places[k] = (k - 1) * (n + 1) + 1 end
  x = reshaped(x:permute(order), sizes):index(#sizes, places)
  -- the diagonal stands last: back to where dimension i was
  order = {}
  for d = 1, #sizes do order[d] = d < i and d or d == i and #sizes or d - 1 end
  return permuted(x, order)
end

local function fail(name, ...)
  error(name .. ': ' .. string.format(...), 0)
end

-- Takes repeated labels' diagonals.
local function operand(name, x, labels)
  local k = 1
  labels = {(table.unpack or unpack)(labels)}
  while k <= #labels do
    local label, other = labels[k], nil
    for j = k + 1, #labels do other = other or (labels[j] == label and j) end
    if other then
      if x:size(k) ~= x:size(other) then
        fail(name, "the dimensions called '%s' have sizes %d and %d", label, x:size(k),
          x:size(other))
      end
      x = diagonal(x, k, other)
      table.remove(labels, other)
    else
      k = k + 1
    end
  end
  return {x = x, labels = labels}
end

-- Sums over the labels that `keep` does not have.
local function drop(a, keep)
  for d = #a.labels, 1, -1 do
    if not keep[a.labels[d]] then
      a.x = summed(a.x, d)
      table.remove(a.labels, d)
    end
  end
end

-- Dimensions of size 1 that the other operand has in another size are broadcast: they go.
local function squeeze_broadcast(a, b)
  for d = #a.labels, 1, -1 do
    local k = position(b.labels, a.labels[d])
    if k and a.x:size(d) == 1 and b.x:size(k) ~= 1 then
      a.x = a.x:select(d, 1)
      if not torch.isTensor(a.x) then a.x = torch.tensor(a.x, {dtype = b.x.dtype}) end
      table.remove(a.labels, d)
    end
  end
end

-- a's dimensions in groups, each seen as one: x of the sizes (batch, first, second).
local function grouped(a, batch, first, second)
  local order, sizes = {}, {}
  for g, group in ipairs {batch, first, second} do
    sizes[g] = 1
    for _, label in ipairs(group) do
      local d = position(a.labels, label)
      order[#order + 1] = d
      sizes[g] = sizes[g] * a.x:size(d)
    end
  end
  return reshaped(permuted(a.x, order), sizes)
end

local function product(x, y)
  if x:size(1) == 1 then return torch.mm(x:select(1, 1), y:select(1, 1)) end
  if x:size(3) == 1 and y:size(2) == 1 then return torch.cmul(x, y) end
  return torch.bmm(x, y)
end

-- The product of two operands, of whose labels `keep` are needed later.
local function contract(name, a, b, keep)
  squeeze_broadcast(a, b)
  squeeze_broadcast(b, a)
  local in_a, in_b = set_of(a.labels), set_of(b.labels)
  local a_keep, b_keep = setmetatable({}, {__index = keep}), setmetatable({}, {__index = keep})
  for label in pairs(in_a) do b_keep[label] = true end
  for label in pairs(in_b) do a_keep[label] = true end
  drop(a, a_keep)
  drop(b, b_keep)
  local batch, rows, columns, inner, labels, sizes = {}, {}, {}, {}, {}, {}
  for d, label in ipairs(a.labels) do
    local k = position(b.labels, label)
    if k and a.x:size(d) ~= b.x:size(k) then
      fail(name, "the dimensions called '%s' have sizes %d and %d", label, a.x:size(d),
        b.x:size(k))
    end
    local group = not k and rows or keep[label] and batch or inner
    group[#group + 1] = label
  end
  for _, label in ipairs(b.labels) do
    if not in_a[label] then columns[#columns + 1] = label end
  end
  local r = product(grouped(a, batch, rows, inner), grouped(b, batch, inner, columns))
  for g, group in ipairs {batch, rows, columns} do
    for _, label in ipairs(group) do
      labels[#labels + 1] = label
      local from = g == 3 and b or a
      sizes[#sizes + 1] = from.x:size(position(from.labels, label))
    end
  end
  if #sizes > 8 then fail(name, 'a product of %d dimensions arises; 8 are possible', #sizes) end
  return {x = reshaped(r, sizes), labels = labels}
end

-- What a result of no dimension reads as: a number, unless it is recorded.
local function result(x)
  if x:dim() == 0 and x:nElement() == 1 and not x.requires_grad then return x:item() end
  return x
end

-- All operands from left to right; `output` lists the result's labels.
local function evaluate(name, operands, output)
  local a = operands[1]
  for k = 2, #operands do
    local keep = set_of(output)
    for later = k + 1, #operands do
      for _, label in ipairs(operands[later].labels) do keep[label] = true end
    end
    a = contract(name, a, operands[k], keep)
  end
  drop(a, set_of(output))
  local order = {}
  for k, label in ipairs(output) do order[k] = position(a.labels, label) end
  return result(permuted(a.x, order))
end

-- ---------------------------------------------------------------------------------------------
-- The notation.

local dots = '...'

-- 'b...ij' for a tensor of 5 dimensions: {'b', '...2', '...1', 'i', 'j'}: the dots' dimensions are
-- counted from the last one, since they are broadcast.
local function labels_of(term, count, most)
  local labels, named = {}, #(term:gsub('%.%.%.', ''))
  local free = count and count - named or most
  for piece in term:gsub('%.%.%.', '.'):gmatch('.') do
    if piece == '.' then
      for k = free, 1, -1 do labels[#labels + 1] = dots .. k end
    elseif piece:match('%a') then
      labels[#labels + 1] = piece
    else
      fail('einsum', "'%s' is no letter", piece)
    end
  end
  return labels, free
end

local function check_term(term, x, k)
  local _, ellipses = term:gsub('%.%.%.', '')
  local named = #(term:gsub('%.%.%.', ''))
  if ellipses > 1 then fail('einsum', "'%s' has more than one '...'", term) end
  if x:dim() < named or (ellipses == 0 and x:dim() ~= named) then
    fail('einsum', "operand %d has %d dimensions, but '%s' names %d", k, x:dim(), term, named)
  end
end

-- Without '->': the dots' dimensions, then the letters that stand there once, in order.
local function implied_output(operands, most)
  local counts, letters, output = {}, {}, {}
  for _, labels in ipairs(operands) do
    for _, label in ipairs(labels) do counts[label] = (counts[label] or 0) + 1 end
  end
  for label, count in pairs(counts) do
    if count == 1 and #label == 1 then letters[#letters + 1] = label end
  end
  table.sort(letters)
  for k = most, 1, -1 do output[#output + 1] = dots .. k end
  for _, letter in ipairs(letters) do output[#output + 1] = letter end
  return output
end

local function check_output(output, operands)
  local known, seen = {}, {}
  for _, labels in ipairs(operands) do
    for _, label in ipairs(labels) do known[label] = true end
  end
  for _, label in ipairs(output) do
    if seen[label] then fail('einsum', "'%s' stands twice in the result", label) end
    if not known[label] then fail('einsum', "'%s' is in the result, but in no operand", label) end
    seen[label] = true
  end
end

local function tensors_of(name, first, ...)
  local list, count = {first, ...}, select('#', ...) + 1
  if type(first) == 'table' then list, count = first, #first end
  for k = 1, count do
    if not torch.isTensor(list[k]) then
      fail(name, 'tensors expected, got %s as number %d', torch.type(list[k]), k)
    end
  end
  if count == 0 then fail(name, 'at least one tensor expected') end
  return list
end

--- torch.einsum('bij,bjk->bik', a, b): the sum of the products of the operands' elements over all
-- labels that the result does not have. '...' stands for any dimensions, broadcast; without '->'
-- the result has the letters that stand there once.
function einsum.einsum(equation, ...)
  if type(equation) ~= 'string' then
    fail('einsum', "an equation such as 'ij,jk->ik' expected, got %s", torch.type(equation))
  end
  local inputs = tensors_of('einsum', ...)
  equation = equation:gsub('%s+', '')
  local left, right = equation:match('^(.-)%->(.*)$')
  local terms, most, labels, operands = {}, 0, {}, {}
  for term in ((left or equation) .. ','):gmatch('(.-),') do terms[#terms + 1] = term end
  if #terms ~= #inputs then
    fail('einsum', "'%s' names %d operands, got %d", equation, #terms, #inputs)
  end
  for k, term in ipairs(terms) do
    local free
    check_term(term, inputs[k], k)
    labels[k], free = labels_of(term, inputs[k]:dim())
    if term:find('...', 1, true) and free > most then most = free end
  end
  local output = right and labels_of(right, nil, most) or implied_output(labels, most)
  check_output(output, labels)
  for k, x in ipairs(inputs) do operands[k] = operand('einsum', x, labels[k]) end
  return evaluate('einsum', operands, output)
end

-- Lists of dimensions, negative ones counted from the end, as positive ones.
local function dimensions(x, dims)
  local out, seen = {}, {}
  for k, d in ipairs(type(dims) == 'table' and dims or {dims}) do
    local own = type(d) == 'number' and (d < 0 and d + x:dim() + 1 or d)
    if not own or own < 1 or own > x:dim() or own % 1 ~= 0 or seen[own] then
      fail('tensordot', 'dimension %s does not fit to a tensor of %d', tostring(d), x:dim())
    end
    out[k], seen[own] = own, true
  end
  return out
end

--- torch.tensordot(a, b, n) sums over the last n dimensions of a and the first n of b (2 unless
-- told otherwise); torch.tensordot(a, b, {1, 3}, {2, 1}) over those, in pairs.
function einsum.tensordot(a, b, dims, dims_b)
  tensors_of('tensordot', a, b)
  local of_a, of_b = {}, {}
  if type(dims) == 'table' and type(dims[1]) == 'table' then dims, dims_b = dims[1], dims[2] end
  if type(dims) == 'table' then
    of_a, of_b = dimensions(a, dims), dimensions(b, dims_b or {})
  else
    local n = dims or 2
    if type(n) ~= 'number' or n % 1 ~= 0 or n < 0 or n > a:dim() or n > b:dim() then
      fail('tensordot', '%s dimensions do not fit to tensors of %d and %d', tostring(n), a:dim(),
        b:dim())
    end
    for k = 1, n do of_a[k], of_b[k] = a:dim() - n + k, k end
  end
  if #of_a ~= #of_b then
    fail('tensordot', 'as many dimensions of both expected, got %d and %d', #of_a, #of_b)
  end
  local labels_a, labels_b, output = {}, {}, {}
  for k = 1, #of_a do labels_a[of_a[k]], labels_b[of_b[k]] = 's' .. k, 's' .. k end
  for d = 1, a:dim() do
    if not labels_a[d] then labels_a[d], output[#output + 1] = 'a' .. d, 'a' .. d end
  end
  for d = 1, b:dim() do
    if not labels_b[d] then labels_b[d], output[#output + 1] = 'b' .. d, 'b' .. d end
  end
  for k = 1, #of_a do
    if a:size(of_a[k]) ~= b:size(of_b[k]) then
      fail('tensordot', 'dimension %d of a has size %d, dimension %d of b %d', of_a[k],
        a:size(of_a[k]), of_b[k], b:size(of_b[k]))
    end
  end
  return evaluate('tensordot', {{x = a, labels = labels_a}, {x = b, labels = labels_b}}, output)
end

-- The cheapest order of multiplying matrices of sizes[k] x sizes[k + 1]: split[i][j] is where the
-- product of matrices i to j is best divided.
local function best_splits(sizes)
  local n, cost, split = #sizes - 1, {}, {}
  for i = 1, n do cost[i], split[i] = {[i] = 0}, {} end
  for length = 1, n - 1 do
    for i = 1, n - length do
      local j = i + length
      for k = i, j - 1 do
        local c = cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
        if not cost[i][j] or c < cost[i][j] then cost[i][j], split[i][j] = c, k end
      end
    end
  end
  return split
end

--- torch.multi_dot{a, b, c, ...}: the product of matrices, multiplied in the order that takes the
-- least work. The first and the last may be vectors.
function einsum.multi_dot(...)
  local list = tensors_of('multi_dot', ...)
  local n, sizes, matrices = #list, {}, {}
  for k = 1, n do
    local x = list[k]
    if x:dim() == 1 and k == 1 and n > 1 then x = x:view(1, -1)
    elseif x:dim() == 1 and k == n and n > 1 then x = x:view(-1, 1)
    elseif x:dim() ~= 2 then
      fail('multi_dot', 'matrices expected, got %d dimensions as number %d', x:dim(), k)
    end
    if k > 1 and x:size(1) ~= sizes[k] then
      fail('multi_dot', 'number %d has %d rows, but number %d has %d columns', k, x:size(1), k - 1,
        sizes[k])
    end
    matrices[k], sizes[k], sizes[k + 1] = x, x:size(1), x:size(2)
  end
  local split = best_splits(sizes)
  local function multiply(i, j)
    if i == j then return matrices[i] end
    local k = split[i][j]
    return torch.mm(multiply(i, k), multiply(k + 1, j))
  end
  local r, shape = multiply(1, n), {}
  if n == 1 then return r:clone() end
  if list[1]:dim() == 2 then shape[1] = sizes[1] end
  if list[n]:dim() == 2 then shape[#shape + 1] = sizes[n + 1] end
  return result(reshaped(r, shape))
end

--- torch.chain_matmul(a, b, c, ...): torch.multi_dot of matrices.
function einsum.chain_matmul(...)
  return einsum.multi_dot(...)
end

return einsum
