--- Sample calls of every operation: what the generic specs feed each row of torch.ops.
--
-- samples.of(row) gives a list of calls, each with fields
--   inputs   float64 tensors within the row's bounds, differentiated in gradient checks
--   args     function(x1, x2, ...) → the arguments of torch.<row.name>
--   call     function(f, x1, ...) → what f returns; where f must not be called on x1 itself
-- Pointwise rows get theirs from their parameters; all others have an entry below.
local samples = {}

-- Numbers of our own, so that samples do not depend on torch's.
local state = 1
local function draw()
  state = (state * 16807) % 2147483647
  return state / 2147483647
end

--- A tensor of the sizes, uniform in [low, high); `kind` 'whole' draws whole numbers.
function samples.tensor(sizes, low, high, kind)
  local t
  if #sizes == 0 then
    t = torch.tensor(0, {dtype = 'float64'})
  else
    t = torch.zeros(torch.LongStorage(sizes), {dtype = 'float64'})
  end
  local flat = t:view(-1)
  for k = 1, flat:nElement() do
    local value = low + (high - low) * draw()
    if kind == 'whole' then value = low + math.floor((high - low + 1) * draw()) end
    flat[k] = value
  end
  return t
end

function samples.seed(seed)
  state = seed
end

local function long(...)
  return torch.LongTensor {...}
end

local function byte(values)
  return torch.ByteTensor(values)
end

-- In-place functions are called on something recorded that is not a leaf.
local function on_copy(f, x, ...)
  return f(x * 1, ...)
end

local function seeded(f, ...)
  torch.manualSeed(7)
  return f(...)
end

local function seeded_on_copy(f, x, ...)
  torch.manualSeed(7)
  return f(x * 1, ...)
end

-- Each sample: the inputs' sizes, then fields as above. `random`: the draws depend on the dtype.
-- `whole`: the result for whole numbers is not that for the same numbers as floats.
local explicit = {}

-- ops/view.c
explicit.view = {
  {{2, 6}, args = function(x) return x, 3, 4 end, needs_contiguous = true},
  {{2, 3, 2}, args = function(x) return x, 2, -1 end, needs_contiguous = true}}
explicit.expand = {
  {{3, 1}, args = function(x) return x, 3, 4 end},
  {{2, 1, 2}, args = function(x) return x, 3, -1, 2, 2 end}}
explicit.narrow = {
  {{3, 4}, args = function(x) return x, 2, 2, 3 end},
  {{5}, args = function(x) return x, 1, 2, 2 end},
  {{3, 4}, args = function(x) return x, -2, 1, 2 end}}
explicit.select = {
  {{3, 4}, args = function(x) return x, 2, 3 end},
  {{2, 3, 2}, args = function(x) return x, -3, -1 end},
  {{4}, args = function(x) return x, 1, 2 end}}
explicit.transpose = {
  {{3, 4}, args = function(x) return x, 1, 2 end},
  {{2, 3, 4}, args = function(x) return x, 3, 1 end},
  {{3, 2}}}
explicit.permute = {{{2, 3, 4}, args = function(x) return x, 3, 1, 2 end}}
explicit.unsqueeze = {
  {{2, 3}, args = function(x) return x, 2 end}, {{2, 3}, args = function(x) return x, -1 end}}
explicit.squeeze = {
  {{1, 3, 1}}, {{1, 3, 1}, args = function(x) return x, 1 end},
  {{2, 3, 1}, args = function(x) return x, 2 end}}
explicit.unfold = {
  {{7}, args = function(x) return x, 1, 3, 2 end},
  {{5, 3}, args = function(x) return x, 1, 3, 1 end}}

-- ops/copy.c
explicit.copy = {
  {{2, 3}, {2, 3}, call = on_copy}, {{2, 3}, {6}, call = on_copy}, {{2, 3}, {1, 3}, call = on_copy}}
explicit.clone = {{{2, 3}}, {{}}}
explicit.reshape = {
  {{2, 6}, args = function(x) return x, 3, 4 end}, {{2, 3}, args = function(x) return x, -1 end}}
explicit.repeatTensor = {
  {{2, 3}, args = function(x) return x, 2, 2 end}, {{3}, args = function(x) return x, 2, 2 end}}

-- ops/fill.c, ops/random.c
explicit.fill = {
  {{2, 3}, args = function(x) return x, 1.5 end, call = on_copy},
  {{2, 3}, {}, call = on_copy}}
explicit.zero = {{{2, 3}, call = on_copy}}
local function no_tensor(...)
  local n, values = select('#', ...), {...}
  return {args = function() return (table.unpack or unpack)(values, 1, n) end, numbers = true}
end
explicit.range = {no_tensor(2, 5), no_tensor(5, 1, -1.5)}
explicit.linspace = {no_tensor(0, 1, 5), no_tensor(3, -3, 4)}
explicit.eye = {no_tensor(3), no_tensor(2, 4)}
explicit.randperm = {no_tensor(6)}
explicit.randperm[1].random = true
explicit.uniform = {{{2, 3}, args = function(x) return x, -1, 4 end}}
explicit.normal = {{{2, 3}, args = function(x) return x, 1, 2 end}}
explicit.bernoulli = {{{2, 3}, args = function(x) return x, 0.3 end}}
explicit.random = {{{2, 3}, args = function(x) return x, 1, 6 end}}
explicit.exponential = {{{2, 3}, args = function(x) return x, 2 end}}
for _, name in ipairs {'uniform', 'normal', 'bernoulli', 'random', 'exponential'} do
  explicit[name][1].call = seeded_on_copy
  explicit[name][1].random = true
end
explicit.dropout = {{{4, 5}, args = function(x) return x, 0.4 end, call = seeded, random = true}}
explicit.multinomial = {
  {{5}, args = function(p) return p, 3 end, call = seeded, random = true},
  {{2, 4}, args = function(p) return p, 6, true end, call = seeded, random = true}}

-- ops/reduce.c, ops/extremes.c, ops/scan.c
local function reduction()
  return {
    {{2, 3}}, {{5}}, {{}},
    {{2, 3}, args = function(x) return x, 1 end},
    {{2, 3, 4}, args = function(x) return x, -2 end},
    {{2, 3, 4}, args = function(x) return x, 3, false end}}
end
for _, name in ipairs {'sum', 'mean', 'prod', 'logsumexp', 'all', 'any', 'argmax', 'argmin'} do
  explicit[name] = reduction()
end
local function spread()
  return {
    {{2, 3}}, {{5}},
    {{3, 4}, args = function(x) return x, 1 end},
    {{3, 4}, args = function(x) return x, 2, true end},
    {{2, 3, 4}, args = function(x) return x, 2, true, false end}}
end
explicit.var, explicit.std = spread(), spread()
explicit.norm = {
  {{2, 3}}, {{2, 3}, args = function(x) return x, 3 end}, {{4}, args = function(x) return x, 1 end},
  {{2, 3}, args = function(x) return x, 2, 1 end},
  {{2, 3, 4}, args = function(x) return x, 1.5, 2, false end},
  {{2, 3}, args = function(x) return x, math.huge, 2 end}}
explicit.max, explicit.min = {{{2, 3}}, {{5}}}, {{{2, 3}}, {{5}}}
local function extreme()
  return {
    {{3, 4}, args = function(x) return x, 1 end}, {{5}, args = function(x) return x, 1 end},
    {{2, 3, 4}, args = function(x) return x, -1, false end}}
end
explicit.max_dim, explicit.min_dim = extreme(), extreme()
explicit.cumsum = {
  {{5}}, {{3, 4}, args = function(x) return x, 2 end},
  {{3, 4}, args = function(x) return x, 1, true end}}

-- ops/matmul.c
explicit.dot = {{{5}, {5}}, {{2, 3}, {6}}}
explicit.mv = {{{3, 4}, {4}}}
explicit.mm = {{{3, 4}, {4, 2}}, {{1, 3}, {3, 1}}}
explicit.bmm = {{{2, 3, 4}, {2, 4, 2}}}
explicit.ger = {{{3}, {4}}}
explicit.addmv = {
  {{3}, {3, 4}, {4}},
  {{3}, {3, 4}, {4}, args = function(m, a, b) return 0.5, m, 2, a, b end, method_differs = true}}
explicit.addmm = {
  {{3, 2}, {3, 4}, {4, 2}},
  {{3, 2}, {3, 4}, {4, 2}, args = function(m, a, b) return 0.5, m, 2, a, b end,
    method_differs = true}}
explicit.addr = {
  {{3, 4}, {3}, {4}},
  {{3, 4}, {3}, {4}, args = function(m, a, b) return 0.5, m, 2, a, b end, method_differs = true}}
explicit.baddbmm = {
  {{2, 3, 2}, {2, 3, 4}, {2, 4, 2}},
  {{2, 3, 2}, {2, 3, 4}, {2, 4, 2}, args = function(m, a, b) return 0.5, m, 2, a, b end,
    method_differs = true}}
explicit.matmul = {
  {{4}, {4}}, {{3, 4}, {4}}, {{4}, {4, 2}}, {{3, 4}, {4, 2}}, {{2, 3, 4}, {4, 2}},
  {{2, 3, 4}, {2, 4, 2}}, {{3, 4}, {2, 4, 2}}, {{2, 3, 4}, {4}}, {{2, 1, 3, 4}, {1, 2, 4, 2}}}
explicit.linear = {
  {{3, 4}, {2, 4}, {2}}, {{3, 4}, {2, 4}}, {{4}, {2, 4}, {2}}, {{2, 3, 4}, {2, 4}, {2}}}

-- ops/softmax.c, ops/loss.c
local function lines()
  return {
    {{3, 4}}, {{5}}, {{3, 4}, args = function(x) return x, 1 end},
    {{2, 3, 4}, args = function(x) return x, -2 end}}
end
explicit.softmax, explicit.log_softmax = lines(), lines()
local function class_loss()
  return {
    {{3, 4}, args = function(x) return x, long(2, 4, 1) end},
    {{3, 4}, args = function(x) return x, long(2, 4, 1), nil, false end},
    {{4}, args = function(x) return x, 3 end},
    {{3, 4}, args = function(x)
      return x, long(2, 4, 2), torch.DoubleTensor {0.5, 1, 2, 3}:type(x:type())
    end},
    {{3, 4}, args = function(x) return x, long(2, -7, 1), nil, true, -7 end}}
end
explicit.nll_loss, explicit.cross_entropy = class_loss(), class_loss()
explicit.mse_loss = {
  {{3, 4}, {3, 4}}, {{3, 4}, {3, 4}, args = function(x, y) return x, y, false end}}

explicit.ctc_loss = {
  {{5, 2, 3}, args = function(x) return x, long(2, 3, 3), long(5, 4), long(2, 1) end},
  {{4, 2, 3}, args = function(x)
    return x, torch.LongTensor {{1, 1}, {3, 1}}, long(4, 3), long(2, 1), 2, true
  end},
  {{4, 3}, args = function(x) return x, long(1, 2), 4, 2, 0, false, 0 end}}

-- ops/index.c, ops/mask.c, ops/join.c, ops/sort.c
explicit.index = {
  {{4, 3}, args = function(x) return x, 1, long(3, 1, 3) end},
  {{4, 3}, args = function(x) return x, -1, long(2, 2) end},
  {{4}, args = function(x) return x, 1, long(4, 1) end}}
local function slices()
  return {
    {{4, 3}, {2, 3}, args = function(x, s) return x, 1, long(3, 1), s end},
    {{2, 5}, {2, 3}, args = function(x, s) return x, 2, long(5, 1, 2), s end},
    {{4}, {2}, args = function(x, s) return x, 1, long(2, 4), s end}}
end
explicit.indexAdd, explicit.indexCopy = slices(), slices()
explicit.indexAdd[4] = {{4, 3}, {2, 3}, args = function(x, s) return x, 1, long(3, 3), s end}
explicit.indexFill = {{{4, 3}, args = function(x) return x, 1, long(3, 1), 2 end}}
local positions = {{1, 3, 2}, {2, 2, 1}}
explicit.gather = {
  {{3, 3}, args = function(x) return x, 1, torch.LongTensor(positions) end},
  {{2, 3}, args = function(x) return x, 2, torch.LongTensor(positions) end},
  {{4}, args = function(x) return x, 1, long(4, 4, 1) end}}
explicit.scatter = {
  {{2, 4}, {2, 2}, args = function(x, s) return x, 2, torch.LongTensor {{1, 3}, {2, 4}}, s end},
  {{3, 3}, {2, 3}, args = function(x, s) return x, 1, torch.LongTensor(positions), s end},
  {{3, 3}, args = function(x) return x, 1, torch.LongTensor(positions), 2 end}}
explicit.scatter_add = {
  {{2, 3}, {2, 3}, args = function(x, s) return x, 2, torch.LongTensor(positions), s end},
  {{3, 3}, {2, 3}, args = function(x, s) return x, 1, torch.LongTensor(positions), s end}}
local mask = {{1, 0, 1}, {0, 0, 1}}
explicit.maskedSelect = {{{2, 3}, args = function(x) return x, byte(mask) end}}
explicit.maskedCopy = {
  {{2, 3}, {3}, args = function(x, s) return x, byte(mask), s end},
  {{2, 3}, {2, 3}, args = function(x, s) return x, byte(mask), s end}}
explicit.where = {
  {{2, 3}, {2, 3}, args = function(x, y) return byte(mask), x, y end},
  {{2, 3}, {3}, args = function(x, y) return byte(mask), x, y end},
  {{2, 3}, args = function(x) return byte(mask), x, 0.5 end}}
explicit.maskedFill = {
  {{2, 3}, args = function(x) return x, byte(mask), 1.5 end},
  {{2, 3}, {}, args = function(x, v) return x, byte(mask), v end},
  {{2, 3}, args = function(x) return x, byte {1, 0, 1}, -1 end}}
explicit.nonzero = {{{2, 3}}, {{4}}}
explicit.cat = {
  {{2, 3}, {2, 2}}, {{2, 3}, {1, 3}, args = function(x, y) return {x, y}, 1 end},
  {{2}, {3}, {1}, args = function(x, y, z) return {x, y, z} end},
  {{2, 3}, {2, 3}, args = function(x, y) return x, y, -2 end}}
explicit.tril = {{{3, 4}}, {{4, 3}, args = function(x) return x, -1 end},
  {{2, 3, 3}, args = function(x) return x, 1 end}}
explicit.triu = {{{3, 4}}, {{4, 3}, args = function(x) return x, -1 end},
  {{3, 3}, args = function(x) return x, 1 end}}
explicit.diag = {{{3, 4}}, {{3}}, {{3, 4}, args = function(x) return x, 1 end},
  {{3}, args = function(x) return x, -1 end}}
explicit.sort = {
  {{5}}, {{3, 4}, args = function(x) return x, 1 end},
  {{3, 4}, args = function(x) return x, 2, true end}}
explicit.topk = {
  {{5}, args = function(x) return x, 3 end}, {{3, 4}, args = function(x) return x, 2, 1 end},
  {{3, 4}, args = function(x) return x, 2, 2, true end}}

-- ops/optimizer.c
explicit.adam_step = {{{2, 3}, {2, 3}, {2, 3}, {2, 3}, bounds = {0.1, 1}, needs_contiguous = true,
  args = function(x, g, m, v)
    return x, g, m:clone(), v:clone(), 0.1, 0.9, 0.99, 1e-8, 0.01, 0, 3
  end}}
explicit.sgd_step = {
  {{2, 3}, {2, 3}, bounds = {0.1, 1}, needs_contiguous = true,
    args = function(x, g) return x, g, 0.1 end},
  {{2, 3}, {2, 3}, {2, 3}, bounds = {0.1, 1}, needs_contiguous = true,
    args = function(x, g, v) return x, g, v:clone(), 0.1, 0.9, 0, 0.01, true, false end}}

-- ops/optimizer_lists.c
explicit.adam_steps = {{{2, 3}, {2, 3}, {2, 3}, {2, 3}, bounds = {0.1, 1}, needs_contiguous = true,
  args = function(x, g, m, v)
    return {x:clone(), g, m:clone(), v:clone(), v:clone(), g, x:clone(), m:clone()}, 0.1, 0.9,
      0.99, 1e-8, 0.01, 0, 3
  end}}
explicit.sgd_steps = {
  {{2, 3}, {2, 3}, bounds = {0.1, 1}, needs_contiguous = true,
    args = function(x, g) return {x:clone(), g, g:clone(), x}, 0.1 end},
  {{2, 3}, {2, 3}, {2, 3}, bounds = {0.1, 1}, needs_contiguous = true,
    args = function(x, g, v) return {x:clone(), g, v:clone()}, 0.1, 0.9, 0, 0.01, true end}}
explicit.clip_norms = {{{2, 3}, {4}, args = function(x, y) return {x:clone(), y:clone()}, 0.5 end}}
explicit.unscale_steps = {
  {{2, 3}, {4}, args = function(x, y) return {x:clone(), y:clone()}, 0.5 end}}

-- The other rows' samples, by subject.
local tools = {long = long, byte = byte, on_copy = on_copy, seeded = seeded,
  seeded_on_copy = seeded_on_copy, no_tensor = no_tensor}
for _, subject in ipairs {'elements', 'reduce', 'index', 'linalg', 'signal', 'norms', 'random',
  'recurrent'} do
  require('spec.support.samples_' .. subject)(explicit, tools)
end

-- ---------------------------------------------------------------------------------------------
-- Pointwise rows: sizes by the number of tensors, values for the numbers that must be given.

local numbers = {clamp = {-1, 1.2}, threshold = {0.7, 0.2}, lerp = {0.3}, elu = {0.7},
  leaky_relu = {0.1}, celu = {0.7}, add = {1.5}, sub = {1.5}, addcmul = {1.5}, addcdiv = {1.5}}
-- Factors of whole numbers are whole.
local whole_numbers = {add = {2}, sub = {2}, addcmul = {2}}
-- These have a kink at 0, and are smooth on either side.
local mirrored = {abs = true, sign = true, relu = true, elu = true, leaky_relu = true, cinv = true,
  threshold = true, celu = true, selu = true, hardshrink = true, softshrink = true, softsign = true,
  heaviside = true, copysign = true, hypot = true, sinc = true, floor = true, ceil = true,
  round = true, trunc = true, frac = true, div = true, fmod = true, remainder = true, atan2 = true}
local shapes = {
  {{{2, 3}}, {{}}, {{2, 1, 3}}},
  {{{2, 3}, {2, 3}}, {{2, 3}, {3}}, {{2, 1}, {1, 3}}, {{}, {2, 3}}, {{2, 3}, {}}},
  {{{2, 3}, {2, 3}, {2, 3}}, {{2, 3}, {3}, {2, 1}}}}

local function parameters(row)
  local tensors, given = 0, 0
  for kind in row.args:gmatch('(%a)%?? [%a_][%w_=.%-]*') do
    if kind == 'T' or kind == 'X' then tensors = tensors + 1 else given = given + 1 end
  end
  return tensors, given
end

local orders = {add = true, sub = true, addcmul = true, addcdiv = true} -- number before the last
local function pointwise(row, kind)
  local tensors, given = parameters(row)
  local list, values = {}, kind and whole_numbers[row.op] or numbers[row.op] or {}
  local function arguments(...)
    local args = {...}
    for k = 1, given do
      if orders[row.op] then table.insert(args, 2, values[k]) else args[#args + 1] = values[k] end
    end
    return (table.unpack or unpack)(args)
  end
  for _, sizes in ipairs(shapes[tensors]) do
    local sample = {args = arguments}
    for k, size in ipairs(sizes) do sample[k] = size end
    list[#list + 1] = sample
  end
  if orders[row.op] then -- without the number
    local sample = {}
    for k, size in ipairs(shapes[tensors][1]) do sample[k] = size end
    list[#list + 1] = sample
  end
  if mirrored[row.op] then
    list[#list + 1] = {shapes[tensors][1][1], shapes[tensors][1][2], args = arguments,
      bounds = {-row.high, -row.low}}
    list[#list].bounds.first_only = true
  end
  return list
end

local function identity(...) return ... end
local function plain(f, ...) return f(...) end

--- The row's samples, with fresh inputs; nil when it has none. `kind` 'whole': whole numbers.
function samples.of(row, kind)
  local list = explicit[row.op] or (row.pointwise and pointwise(row, kind))
  if not list then return nil end
  local result = {}
  for k, entry in ipairs(list) do
    local sample = {args = entry.args or identity, call = entry.call or plain, inputs = {},
      random = entry.random, numbers = entry.numbers, needs_contiguous = entry.needs_contiguous,
      method_differs = entry.method_differs}
    samples.seed(100 + k)
    for i, sizes in ipairs(entry) do
      local low, high = row.low, row.high
      if entry.bounds and (i == 1 or not entry.bounds.first_only) then
        low, high = entry.bounds[1], entry.bounds[2]
      end
      if kind == 'whole' then
        low, high = math.ceil(low), math.floor(high)
        if low > high then low, high = -3, 3 end
      end
      sample.inputs[i] = samples.tensor(sizes, low, high, kind)
    end
    result[k] = sample
  end
  return result
end

-- An optional last tensor makes a leading res ambiguous: it is read as one of the inputs. So does a
-- second tensor that may stand where the first one was meant to: torch.max(a, b).
local two_tensors = {max = true, min = true, quantile = true, nanquantile = true,
  repeat_interleave = true}

--- Does torch.f(res, ...) of the row write into res, whatever follows?
function samples.takes_destination(row)
  return not row.args:find('[TX]%? ') and not two_tensors[row.op]
end

--- The same as the row takes them: rows of whole numbers alone get int64 tensors.
function samples.typed(row)
  local kind = not row.floats and row.integers and 'whole' or nil
  local list = samples.of(row, kind)
  for _, sample in ipairs(kind and list or {}) do
    for k, x in ipairs(sample.inputs) do sample.inputs[k] = x:long() end
  end
  return list
end

return samples
