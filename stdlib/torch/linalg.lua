--- torch.linalg: PyTorch's names for linear algebra, and its norms of vectors and matrices.
local torch = require 'torch'

local linalg = {}

for name, own in pairs {cholesky = 'cholesky', det = 'det', slogdet = 'slogdet',
    eigvals = 'eigvals', eigh = 'eigh', eigvalsh = 'eigvalsh', inv = 'inverse', pinv = 'pinv',
    qr = 'qr', solve = 'solve', svdvals = 'svdvals', lu_factor = 'lu_factor',
    matrix_exp = 'matrix_exp', matrix_power = 'matrix_power', matrix_rank = 'matrix_rank',
    multi_dot = 'multi_dot', matmul = 'matmul', vander = 'vander',
    householder_product = 'orgqr', cross = 'cross'} do
  if torch[own] then
    linalg[name] = function(...) return torch[own](...) end
  end
end

-- An error at the caller of the function, as the operations have it.
local function fail(...)
  error(string.format(...), 0)
end

local function check_matrix(name, x)
  if not torch.isTensor(x) then fail('%s: a tensor expected, got %s', name, torch.type(x)) end
  if x:dim() < 2 then fail('%s: a matrix expected, got %d dimensions', name, x:dim()) end
end

local function option(given, name, otherwise)
  if type(given) == 'table' and given[name] ~= nil then return given[name] end
  return otherwise
end

-- What has no dimension reads as a number, unless it is recorded.
local function plain(x)
  if torch.isTensor(x) and x:dim() == 0 and x:nElement() == 1 and not x.requires_grad then
    return x:item()
  end
  return x
end

local function dimension(name, x, d)
  local own = type(d) == 'number' and (d < 0 and d + x:dim() + 1 or d)
  if not own or own < 1 or own > x:dim() or own % 1 ~= 0 then
    fail('%s: dimension %s is out of range for a tensor of %d dimensions', name, tostring(d),
      x:dim())
  end
  return own
end

-- x with the dimensions `dims` last, in their order; and the others' sizes with theirs as 1, or
-- without them.
local function moved_last(name, x, dims, keepdim)
  local order, chosen, sizes = {}, {}, {}
  for k, d in ipairs(dims) do
    dims[k] = dimension(name, x, d)
    if chosen[dims[k]] then fail('%s: dimension %d is named twice', name, d) end
    chosen[dims[k]] = true
  end
  for d = 1, x:dim() do
    if not chosen[d] then order[#order + 1] = d end
    if not chosen[d] or keepdim then sizes[#sizes + 1] = chosen[d] and 1 or x:size(d) end
  end
  for _, d in ipairs(dims) do order[#order + 1] = d end
  return x:permute(order), sizes
end

local function shaped(x, sizes)
  if not torch.isTensor(x) then
    if #sizes == 0 then return x end
    x = torch.tensor(x)
  end
  if #sizes == 0 then return plain(x:reshape(torch.LongStorage())) end
  return x:reshape(torch.LongStorage(sizes))
end

-- Of the last dimension of a matrix.
local function norm_of_rows(x, order)
  if order == -math.huge then
    return (torch.min(torch.abs(x), 2, false))
  elseif order == 0 then
    return torch.sum(torch.ne(x, 0):to(x.dtype), 2, false)
  elseif order < 0 then
    return torch.pow(torch.sum(torch.pow(torch.abs(x), order), 2, false), 1 / order)
  end
  return torch.norm(x, order, 2, false)
end

--- torch.vector_norm(x [, order=2] [, dims] [, keepdim=false]): a norm over dimensions, or over all
-- elements. order: any number, also 0, inf and -inf.
function linalg.vector_norm(x, order, dims, keepdim)
  if not torch.isTensor(x) then
    fail('vector_norm: a tensor expected, got %s', torch.type(x))
  end
  order = order or 2
  if type(order) ~= 'number' or order ~= order then
    fail('vector_norm: a number as its order expected, got %s', tostring(order))
  end
  local list = type(dims) == 'number' and {dims} or {}
  if type(dims) == 'table' then
    for k, d in ipairs(dims) do list[k] = d end
  elseif not dims then
    for d = 1, x:dim() do list[d] = d end
  end
  local rows, count = 1, 1
  local moved, sizes = moved_last('vector_norm', x, list, keepdim)
  for d = 1, x:dim() do
    if d <= x:dim() - #list then rows = rows * moved:size(d) else count = count * moved:size(d) end
  end
  return shaped(norm_of_rows(moved:reshape(rows, count), order), sizes)
end

-- (batch, rows, columns) to (batch).
local function norm_of_matrices(x, order)
  if order == 'fro' then
    return torch.norm(x:reshape(x:size(1), x:size(2) * x:size(3)), 2, 2, false)
  elseif order == 'nuc' then
    return torch.sum(torch.svdvals(x), 2, false)
  elseif order == 2 or order == -2 then
    local s = torch.svdvals(x)
    return s:select(2, order == 2 and 1 or s:size(2))
  elseif order == 1 or order == -1 or order == math.huge or order == -math.huge then
    local sums = torch.sum(torch.abs(x), (order == 1 or order == -1) and 2 or 3, false)
    return ((order > 0 and torch.max or torch.min)(sums, 2, false))
  end
  fail("matrix_norm: 'fro', 'nuc', 1, -1, 2, -2, inf or -inf expected as the order, got %s",
    tostring(order))
end

--- torch.matrix_norm(x [, order='fro'] [, dims={-2, -1}] [, keepdim=false]). order: 'fro', 'nuc'
-- (sum of the singular values), 2 and -2 (the greatest and least of them), 1 and -1 (greatest and
-- least sum of a column), inf and -inf (of a row).
function linalg.matrix_norm(x, order, dims, keepdim)
  check_matrix('matrix_norm', x)
  dims = dims or {-2, -1}
  if type(dims) ~= 'table' or #dims ~= 2 then fail('matrix_norm: two dimensions expected') end
  local moved, sizes = moved_last('matrix_norm', x, {dims[1], dims[2]}, keepdim)
  local rows, columns, batch = moved:size(-2), moved:size(-1), 1
  for d = 1, x:dim() - 2 do batch = batch * moved:size(d) end
  return shaped(norm_of_matrices(moved:reshape(batch, rows, columns), order or 'fro'), sizes)
end

--- torch.linalg.norm(x [, order] [, dim] [, keepdim]): of a matrix where x has two dimensions (or
-- two are given) and an order is given, else of a vector.
function linalg.norm(x, order, dim, keepdim)
  local two = type(dim) == 'table' and #dim == 2
  if order and (two or (not dim and torch.isTensor(x) and x:dim() == 2)) then
    return linalg.matrix_norm(x, order, dim, keepdim)
  end
  return linalg.vector_norm(x, order, dim, keepdim)
end

--- torch.cond(a [, order=2]): how much an error of the right side may grow in solving a x = b; the
-- greatest by the least singular value, or |a| |a^-1| by another norm of matrices.
function linalg.cond(a, order)
  check_matrix('cond', a)
  if order and order ~= 2 and order ~= -2 then
    local norm = linalg.matrix_norm(a, order)
    return plain(norm * linalg.matrix_norm(torch.inverse(a), order))
  end
  local s = torch.svdvals(a)
  local k = s:nElement() > 0 and s:size(-1) or 0
  if k == 0 then return plain(torch.sum(s, -1, false)) end
  local first, last = s:narrow(-1, 1, 1), s:narrow(-1, k, 1)
  local quotient = order == -2 and torch.cdiv(last, first) or torch.cdiv(first, last)
  return plain(quotient:select(-1, 1))
end

--- torch.linalg.eig(a): eigenvalues (n x 2, real and imaginary parts) and eigenvectors.
function linalg.eig(a)
  return torch.eig(a, 'V')
end

--- torch.linalg.svd(a [, full_matrices=true]): u, s and v', as PyTorch has it.
function linalg.svd(a, full)
  full = option(full, 'full_matrices', full)
  local u, s, v = torch.svd(a, (full == false) and 'S' or 'A')
  return u, s, v:transpose(-1, -2)
end

--- torch.linalg.lu(a): p, l and u, of which a is the product.
function linalg.lu(a)
  return torch.lu_unpack(torch.lu_factor(a))
end

--- torch.linalg.lu_solve(lu, pivots, b): the x of a x = b, from a's LU factors.
function linalg.lu_solve(lu, pivots, b)
  local p, l, u = torch.lu_unpack(lu, pivots)
  local y = torch.triangular_solve(torch.matmul(p:transpose(-1, -2), b), l, false, false, true)
  return (torch.triangular_solve(y, u, true))
end

--- torch.linalg.solve_triangular(a, b, {upper=, left=true, unitriangular=false}): the x of a x = b,
-- or of x a = b where left is false.
function linalg.solve_triangular(a, b, options)
  local upper, unit = option(options, 'upper'), option(options, 'unitriangular', false)
  if type(upper) ~= 'boolean' then fail('solve_triangular: upper=true or false expected') end
  if option(options, 'left', true) then
    return (torch.triangular_solve(b, a, upper, false, unit))
  end
  local x = torch.triangular_solve(b:transpose(-1, -2), a, upper, true, unit)
  return x:transpose(-1, -2)
end

--- torch.linalg.lstsq(a, b [, rcond]): the x for which a x is nearest to b, the sums of the squared
-- residuals (empty unless a is tall and of full rank), a's rank and its singular values.
function linalg.lstsq(a, b, rcond)
  check_matrix('lstsq', a)
  local x = torch.lstsq(a, b, rcond or -1)
  local m, n = a:size(-2), a:size(-1)
  local rank, s = torch.matrix_rank(a, rcond or -1), torch.svdvals(a)
  local residuals = torch.zeros(0):to(a.dtype)
  local least = torch.isTensor(rank) and (rank:nElement() > 0 and rank:min() or 0) or rank
  if m > n and least == n then
    local rest = torch.csub(torch.matmul(a, x), b)
    local dim = b:dim() == a:dim() and -2 or -1
    residuals = torch.sum(torch.cmul(rest, rest), dim, false)
  end
  return x, residuals, rank, s
end

--- torch.linalg.vecdot(a, b [, dim=-1]): sums of products along one dimension.
function linalg.vecdot(a, b, dim)
  return torch.sum(torch.cmul(a, b), dim or -1, false)
end

return linalg
