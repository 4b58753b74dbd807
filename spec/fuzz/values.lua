--- Hostile values as text: each is a Lua expression in the words of `env`, so that a whole call is
-- one line which can be printed, and run again on its own.
local samples = require 'spec.support.samples'

local values = {}
local unpack = table.unpack or unpack

-- ---------------------------------------------------------------------------------------------
-- Choices. A generator of our own: the seed of torch's is among what the calls change.

local state = 1

function values.seed(seed)
  state = seed % 2147483646 + 1
end

local function draw(n)
  state = (state * 16807) % 2147483647
  return state % n + 1
end
values.draw = draw

local function pack(...) return {n = select('#', ...), ...} end

local function pick(list) return list[draw(#list)] end
values.pick = pick

-- ---------------------------------------------------------------------------------------------
-- Words of the expressions.

local env = setmetatable({}, {__index = _G})
values.env = env

env.unpack = unpack
env.inf, env.nan = math.huge, 0 / 0
env.largest, env.least = math.maxinteger or 2 ^ 63 - 1024, math.mininteger or -2 ^ 63

local fills = {}
function fills.zero(x) return x:zero() end
function fills.one(x) return x:fill(1) end
function fills.nan(x) return x:fill(0 / 0) end
function fills.inf(x) return x:fill(-math.huge) end
function fills.huge(x) return x:fill(1e38) end
-- Numbers from 1 on, which serve as indices and sizes, too.
function fills.count(x)
  local n = x:nElement()
  return n > 0 and x:copy(torch.range(1, n)) or x
end
function fills.index(x)
  local n = x:nElement()
  return n > 0 and x:copy(torch.remainder(torch.range(1, n), 3):add(1)) or x
end
function fills.mixed(x)
  local n = x:nElement()
  return n > 0 and x:copy(torch.range(1, n):mul(7):remainder(5):csub(2.25)) or x
end
function fills.wild(x)
  local list = {0 / 0, math.huge, -math.huge, 2 ^ 31, -2 ^ 63, 2 ^ 53, 1e300, -1, 0, 1, 2, 1e-300}
  local flat = torch.DoubleTensor(math.max(1, x:nElement()))
  for k = 1, flat:nElement() do flat[k] = list[k % #list + 1] end
  return x:nElement() > 0 and x:copy(flat) or x
end

local layouts = {}
function layouts.plain(make, sizes) return make(sizes) end
function layouts.turned(make, sizes) -- the dimensions lie in the memory in opposite order
  if #sizes < 2 then return make(sizes) end
  local back, order = {}, {}
  for d = 1, #sizes do back[d], order[d] = sizes[#sizes + 1 - d], #sizes + 1 - d end
  return make(back):permute(unpack(order))
end
function layouts.holes(make, sizes)
  if #sizes > 7 then return make(sizes) end
  if #sizes == 0 then return make({3}):narrow(1, 2, 1):view(torch.LongStorage()) end
  local wider = {unpack(sizes)}
  wider[#wider + 1] = 2
  return make(wider):select(-1, 2)
end
function layouts.offset(make, sizes)
  if #sizes == 0 or sizes[1] == 0 then return make(sizes) end
  local longer = {unpack(sizes)}
  longer[1] = longer[1] + 2
  return make(longer):narrow(1, 2, sizes[1])
end
function layouts.expanded(make, sizes)
  local ones = {unpack(sizes)}
  for d = 1, #ones do
    if d % 2 == 1 and ones[d] > 0 then ones[d] = 1 end
  end
  if #sizes == 0 then return make(sizes) end
  return make(ones):expand(torch.LongStorage(sizes))
end
function layouts.overlapping(make, sizes) -- rows that share elements
  if #sizes ~= 2 or sizes[1] < 1 or sizes[2] < 1 then return make(sizes) end
  local x = make {sizes[1] + sizes[2]}
  return x:unfold(1, sizes[2], 1):narrow(1, 1, sizes[1])
end

--- t(dtype, sizes, layout, fill, grad): a tensor. grad: 'leaf', 'inner' (recorded), or 'view' of
-- a leaf.
function env.t(dtype, sizes, layout, fill, grad)
  local function make(list)
    if #list == 0 then return torch.tensor(0, {dtype = dtype}) end
    return torch.zeros(torch.LongStorage(list), {dtype = dtype})
  end
  local x = layouts[layout or 'plain'](make, sizes)
  fills[fill or 'count'](x)
  if grad and dtype:find('float') then
    if grad == 'leaf' then
      x.requires_grad = true
    else
      local leaf = x:clone()
      leaf.requires_grad = true
      x = grad == 'inner' and leaf * 1 or leaf:view(leaf.shape)
    end
  end
  return x
end

--- A table that holds itself, one nested too deep, and a very long one.
function env.cycle()
  local t = {}
  t[1], t[2], t.x = t, t, t
  return t
end
function env.deep()
  local t = {1}
  for _ = 1, 300 do t = {t} end
  return t
end
function env.long(n, value)
  local t = {}
  for k = 1, n do t[k] = value or 1 end
  return t
end
function env.trap()
  local function fail() error('trap') end
  return setmetatable({}, {__index = fail, __newindex = fail, __len = fail, __call = fail,
    __tostring = fail, __eq = fail})
end
function env.foreign()
  if rawget(_G, 'newproxy') then return newproxy(true) end -- luacheck: ignore
  return io.stdout
end
function env.light() return torch.data_pointer(torch.FloatTensor(3)) end

-- ---------------------------------------------------------------------------------------------
-- Generators: each returns the text of one value.

local function words(text)
  local list = {}
  for word in text:gmatch('%S+') do list[#list + 1] = word end
  return list
end

values.dtypes = {'float32', 'float64', 'float16', 'bfloat16', 'int8', 'int16', 'int32', 'int64',
  'uint8', 'bool'}
local shapes = words [==[
  {} {0} {1} {2} {3} {5} {2,3} {3,2} {3,3} {4,4} {0,3} {3,0} {3,0,2} {1,1} {1,3} {2,3,4}
  {1,2,1,2,1,2,1,2} {70} {33,65} {2,3,4,5} {1,1,4,4} {2,2,6,6} {1,1,3,4,5}]==]
local layout_names = words [==[
  plain plain plain turned holes offset expanded overlapping]==]
local fill_names = words [==[
  count count index mixed mixed zero one nan inf huge wild]==]
values.layouts, values.fills, values.shapes = layout_names, fill_names, shapes

local numbers = words [==[
  0 1 2 3 -1 -2 4 8 0.5 -1.5 1e-300 2^31 2^31-1 -2^31 2^32 2^53 2^62 2^63 -2^63 1e300 -1e300 inf
  -inf nan 100 1000 65 largest least]==]
function values.number() return pick(numbers) end
function values.small() return tostring(draw(9) - 4) end

function values.tensor()
  local dtype = draw(2) == 1 and pick {'float32', 'float64', 'int64'} or pick(values.dtypes)
  local text = ("t('%s',%s,'%s','%s'"):format(dtype, pick(shapes), pick(layout_names),
    pick(fill_names))
  if draw(4) == 1 then text = text .. (",'%s'"):format(pick {'leaf', 'inner', 'view'}) end
  return text .. ')'
end

local strings = words [==[
  '' '2' 'abc' 'float32' 'torch.LongTensor' 'torch.FloatTensor' 'cpu' 'cuda' 'cuda:99' 'U' 'L'
  'N' 'V' '*' 'mean' 'sum' 'nan' ('x'):rep(1e5) '\0\255%s%n' 'i,j->ij' 'reflect' '1e400']==]
function values.string() return pick(strings) end

local tables = words [==[
  {} {1,2} {2,3} {1,nil,3} {{1,2},{3,4}} {{1,2},{3}} {{{}}} {0,0} {-1} {2^40,2^40} {nan}
  {'a','b'} cycle() deep() long(1e4) long(9) {dim=1} {dim=nan} {dtype='float64'} {dtype=1}
  {requires_grad=true} {device='nowhere'} {[0]=1,[2^31]=2} {true,false} {{1,3}} {{},{2}}
  {keepdim=3,dim={}} trap() {1,{1,2}} {{2,1}} {[1.5]=1} {x=1} {2^31} {1,1,1,1,1,1,1,1}
  {1,1,1,1,1,1,1,1,1}]==]
function values.table()
  if draw(4) == 1 then
    local list = {}
    for k = 1, draw(3) do list[k] = values.tensor() end
    if draw(6) == 1 then list[#list + 1] = values.any() end
    return '{' .. table.concat(list, ',') .. '}'
  end
  return pick(tables)
end

local functions = {'function() end', 'function(x) return x end', "function() error('given') end",
  'function() error({}) end', 'function(...) return {} end', 'function(...) return ... end',
  'function() return 1e300 end', 'print', 'torch.add', 'coroutine.yield',
  'function(x) return torch.isTensor(x) and x * 2 or nan end'}
function values.func() return pick(functions) end

local storages = {'torch.FloatStorage(6)', 'torch.LongStorage{2,3}', 'torch.LongStorage{2^62,4}',
  'torch.LongStorage{-1,2}', 'torch.LongStorage()', "torch.ByteStorage('abcdef')",
  'torch.DoubleStorage{nan,1}', 'torch.LongStorage{1,1,1,1,1,1,1,1}', 'torch.CharStorage(0)',
  'torch.LongStorage(20):fill(1)', 'torch.IntStorage{1,2}', 'torch.LongStorage{0}',
  'torch.LongStorage{3}', 'torch.BoolStorage(2):fill(1)', 'torch.HalfStorage(3):fill(1)'}
function values.storage() return pick(storages) end

local others = {'nil', 'true', 'false', 'coroutine.create(print)', 'foreign()', 'light()', 'torch',
  'torch.FloatTensor', "torch.class", '_G', 'torch.ops[1]'}
function values.other() return pick(others) end

--- Any value at all.
function values.any()
  local k = draw(20)
  if k <= 7 then return values.tensor() end
  if k <= 11 then return values.number() end
  if k == 12 then return values.small() end
  if k == 13 then return values.string() end
  if k <= 15 then return values.table() end
  if k == 16 then return values.func() end
  if k == 17 then return values.storage() end
  return values.other()
end

-- ---------------------------------------------------------------------------------------------
-- Calls that are right but for what is changed in them.

--- at(k, value): argument k becomes this value. drop(k), more(value), same(k, l): l is k's object.
function env.at(k, value) return function(args) args[k], args.n = value, math.max(args.n, k) end end
function env.drop(k)
  return function(args)
    for i = k, args.n do args[i] = args[i + 1] end
    args.n = math.max(0, args.n - 1)
  end
end
function env.more(value)
  return function(args) args.n, args[args.n + 1] = args.n + 1, value end
end
function env.same(from, to) return function(args) args[to] = args[from] end end

--- into(value, ...): result tensors before the arguments.
function env.into(...)
  local results = pack(...)
  return function(args)
    for i = args.n, 1, -1 do args[i + results.n] = args[i] end
    for i = 1, results.n do args[i] = results[i] end
    args.n = args.n + results.n
  end
end

local rows
local function row_of(op)
  if not rows then
    rows = {}
    for _, row in ipairs(torch.ops) do rows[row.op] = row end
  end
  return rows[op]
end

--- given(op, k, dress): the arguments of sample k; `dress` maps inputs, by place, to what they
-- become: {dtype, layout, fill, grad}.
function env.given(op, k, dress)
  local row = row_of(op)
  local kind = not row.floats and row.integers and 'whole' or nil
  local sample = samples.of(row, kind)[k]
  for i, x in ipairs(sample.inputs) do
    if kind then x = x:long() end
    local d = dress and dress[i]
    if d then
      local y = env.t(d[1] or x.dtype, x:dim() == 0 and {} or x:size():totable(), d[2], 'zero')
      if d[2] ~= 'expanded' and d[2] ~= 'overlapping' then y:copy(x) end
      if d[3] then fills[d[3]](y) end
      if d[4] and y.dtype:find('float') then
        if d[4] == 'leaf' then
          y.requires_grad = true
        else
          y = y:clone():requiresGrad(true) * 1
        end
      end
      x = y
    end
    sample.inputs[i] = x
  end
  local args = pack(sample.args(unpack(sample.inputs, 1, #sample.inputs)))
  args.op = op
  return args
end

--- call(f, args, change, ...): f with the changed arguments.
function env.call(f, args, ...)
  for _, change in ipairs {...} do change(args) end
  return f(unpack(args, 1, args.n))
end

return values
