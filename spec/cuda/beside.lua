--- What specs of operations on a GPU share: the same call on both, results side by side.
local assert = require 'luassert'
local torch = require 'torch'
local unpack = table.unpack or unpack

local beside = {}

beside.TOLERANCE = { float64 = 1e-12, float32 = 2e-5, float16 = 4e-3, bfloat16 = 3e-2 }
beside.FLOATS = { 'float32', 'float64', 'float16', 'bfloat16' }
beside.INTEGERS = { 'uint8', 'int8', 'int16', 'int32', 'int64' }

--- How often the CPU worked for the GPU, since the program began.
function beside.detours()
  local n = 0
  for _, times in pairs(torch.cuda.detours()) do n = n + times end
  return n
end

--- Equal, both NaN, or apart by at most so much of the largest finite value (or of 1).
function beside.near(got, expected, what, tolerance)
  if not torch.isTensor(expected) then
    got, expected = torch.DoubleTensor { got }, torch.DoubleTensor { expected }
  end
  tolerance = tolerance or beside.TOLERANCE[expected.dtype] or 0
  assert.are.same(expected:size():totable(), got:size():totable(), what)
  assert.are.equal(expected.dtype, got.dtype, what)
  if expected:nElement() == 0 then return end
  local a = got:cpu():double():contiguous():view(-1)
  local b = expected:double():contiguous():view(-1)
  local nan = torch.ne(b, b)
  assert.is_true(torch.equal(torch.ne(a, a), nan), what .. ': NaN')
  a, b = a:clone():maskedFill(nan, 0), b:clone():maskedFill(nan, 0)
  local same = torch.eq(a, b)
  local scale = torch.abs(b):maskedFill(torch.eq(torch.abs(b), math.huge), 0):max()
  local apart = torch.csub(a, b):abs():maskedFill(same, 0):max()
  assert.is_true(apart <= tolerance * math.max(1, scale),
    ('%s: apart by %g of %g'):format(what, apart, scale))
end

--- Random numbers of a dtype; integers are small.
function beside.values(dtype, ...)
  if beside.TOLERANCE[dtype] then return torch.randn(...):to(dtype) end
  local from = dtype == 'uint8' and 0 or 9
  return torch.floor(torch.rand(...):mul(20)):csub(from):to(dtype)
end

--- The same values in memory of another order: name, function.
beside.WAYS = {
  { 'plain', function(x) return x end },
  { 'transposed', function(x)
    local n = x:dim()
    if n < 2 then return x end
    return x:transpose(n - 1, n):contiguous():transpose(n - 1, n)
  end },
  { 'rows apart', function(x)
    local n = x:dim()
    if x:nElement() == 0 then return x end
    return torch.cat(x, x, n):narrow(n, 1, x:size(n))
  end },
  { 'every second column', function(x)
    local sizes = x:size():totable()
    local n = #sizes
    if x:nElement() == 0 then return x end
    sizes[n + 1] = 1
    x = x:contiguous():view(torch.LongStorage(sizes))
    return torch.cat(x, x, n + 1):select(n + 1, 1)
  end },
}

--- Every tensor of a list, and of lists in it, through a function.
function beside.map(fn, list)
  local out = {}
  for i = 1, list.n or #list do
    local x = list[i]
    if torch.isTensor(x) then out[i] = fn(x)
    elseif type(x) == 'table' then out[i] = beside.map(fn, x)
    else out[i] = x end
  end
  out.n = list.n or #list
  return out
end

local function moved(x)
  local extent, sizes, strides = 1, x:size():totable(), x:stride():totable()
  if x:nElement() == 0 then return x:cuda() end
  for d = 1, #sizes do extent = extent + (sizes[d] - 1) * strides[d] end
  local all = x:as_strided({ extent }, { 1 }, x:storageOffset()):cuda()
  return all:as_strided(sizes, strides, 1)
end

--- Tensors on the GPU, with the strides that they have here.
function beside.on_gpu(...)
  return unpack(beside.map(moved, { n = select('#', ...), ... }), 1,
    select('#', ...))
end

--- fn(...) here and there gives the same, and the CPU does nothing for the GPU. fn may give several
-- results.
function beside.same(what, fn, tolerance, ...)
  local expected = { fn(...) }
  local before = beside.detours()
  local got = { fn(beside.on_gpu(...)) }
  assert.are.equal(before, beside.detours(), what .. ' went by way of the CPU')
  for i = 1, #expected do
    beside.near(got[i], expected[i], #expected > 1 and what .. ' ' .. i or what, tolerance)
  end
  return got
end

--- The gradients of sum(fn(...) * weights) by every floating tensor among the arguments. With
-- `twice` the results are squared first, and the gradients of the gradients' squares are compared,
-- too. The operations in `watch` must not go by way of the CPU.
function beside.gradients(what, fn, options, ...)
  options = options or {}
  local weights = {}
  local function run(...)
    local leaves = {}
    local args = beside.map(function(x)
      if not x:is_floating_point() then return x end
      x = x:detach():clone()
      x.requires_grad = true
      leaves[#leaves + 1] = x
      return x
    end, { n = select('#', ...), ... })
    local results, loss = { fn(unpack(args, 1, args.n)) }, 0
    for i, r in ipairs(results) do
      if weights[i] == nil then weights[i] = torch.randn(r:size()):to(r.dtype) end
      local w = r.device == 'cpu' and weights[i] or weights[i]:cuda()
      loss = torch.sum(torch.cmul(options.twice and torch.cmul(r, r) or r, w)) + loss
    end
    local given = torch.grad(loss, leaves, { create_graph = options.twice })
    local all = {}
    for i, g in ipairs(given) do all[#all + 1] = { 'by ' .. i, g:detach() } end
    if options.twice then
      local again = 0
      for _, g in ipairs(given) do again = torch.sum(torch.cmul(g, g)) + again end
      for i, g in ipairs(torch.grad(again, leaves, { allow_unused = true })) do
        if torch.isTensor(g) then all[#all + 1] = { 'twice by ' .. i, g } end
      end
    end
    return all
  end
  local expected = run(...)
  local before = torch.cuda.detours()
  local got = run(beside.on_gpu(...))
  local after = torch.cuda.detours()
  for name in (options.watch or ''):gmatch('%S+') do
    assert.are.equal(before[name], after[name], what .. ': ' .. name .. ' went by way of the CPU')
  end
  assert.are.equal(#expected, #got, what)
  for i = 1, #expected do
    beside.near(got[i][2], expected[i][2], what .. ', gradient ' .. expected[i][1],
      options.tolerance)
  end
end

return beside
