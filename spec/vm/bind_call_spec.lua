-- Calls in Torch7's three conventions, for every row of the operation table, and their errors.
local samples = require 'spec.support.samples'
local tensors = require 'spec.support.tensors'

local unpack = table.unpack or unpack

local function count(...)
  return {n = select('#', ...), ...}
end

local function samples_of(row)
  local whole = row.integers and not row.floats
  local list = samples.of(row, whole and 'whole' or nil)
  for _, sample in ipairs(whole and list or {}) do
    for k, x in ipairs(sample.inputs) do sample.inputs[k] = x:long() end
  end
  return list
end

local function arguments(sample)
  return count(sample.args(unpack(sample.inputs)))
end

local function seeded(f, ...)
  torch.manualSeed(7)
  return f(...)
end

-- Results as a list of clones, so that later calls do not change them.
local function results_of(...)
  local list = {...}
  for k, value in ipairs(list) do
    if torch.isTensor(value) then list[k] = value:clone() end
  end
  return list
end

local function as_numbers(list)
  local copy = {}
  for k, value in ipairs(list) do
    if torch.isTensor(value) and value:nElement() == 1 and value:dim() == 0 then
      value = value:item()
    end
    if type(value) == 'boolean' then value = value and 1 or 0 end
    copy[k] = value
  end
  return copy
end

-- What the rows give that takes the destinations of `into`.
local function destinations(results)
  local list = {}
  for k, value in ipairs(results) do
    list[k] = torch.isTensor(value) and value.new() or torch.DoubleTensor()
    if type(value) == 'boolean' then list[k] = torch.ByteTensor() end
  end
  return list
end

local function joined(list, args)
  local all, n = {}, #list
  for k = 1, n do all[k] = list[k] end
  for k = 1, args.n do all[n + k] = args[k] end
  return unpack(all, 1, n + args.n)
end

-- These write to what they are called on, or make something out of numbers: specs of their own.
local function is_function(row)
  return row.convention ~= 'I' and not row.no_grad or row.pointwise
end

-- A source may have more elements than the mask or the indices name; some take any two tensors.
local fits = {maskedCopy = true, kron = true, scatter_reduce = true, scatter_with = true,
  isin = true}
-- Without an argument these draw one number.
local draws = {uniform = true, normal = true, random = true, exponential = true, bernoulli = true,
  log_normal = true, cauchy = true, normal_of = true}
-- Three booleans are what these take.
local three_flags = {unique = true}
-- Products of any dimensions are carried out by those of fewer.
local inner = {matmul = {mm = true, mv = true, dot = true, bmm = true}}

for _, row in ipairs(torch.ops) do
  if is_function(row) and samples.takes_destination(row) then
    describe(row.op .. ' called as', function()
      it('torch.f(res, ...) writes what torch.f(...) gives', function()
        for _, sample in ipairs(samples_of(row)) do
          local args = arguments(sample)
          local expected = results_of(seeded(torch[row.name], unpack(args, 1, args.n)))
          local into = destinations(expected)
          local got = count(seeded(torch[row.name], joined(into, args)))
          tensors.assert_same(as_numbers(expected), as_numbers(results_of(unpack(into))))
          assert.equal(#expected, got.n)
          for k = 1, got.n do assert.is_true(rawequal(into[k], got[k])) end
        end
      end)

      it('torch.f(res, ...) with a res of other sizes and strides', function()
        local sample = samples_of(row)[1]
        local args = arguments(sample)
        local expected = results_of(seeded(torch[row.name], unpack(args, 1, args.n)))
        if torch.isTensor(expected[1]) and expected[1]:dim() > 0 and row.op ~= 'view' then
          local into = destinations(expected)
          into[1] = tensors.strided(torch.zeros(expected[1]:size()):type(expected[1]:type()))
          seeded(torch[row.name], joined(into, args))
          tensors.assert_same(expected[1], into[1])
          into[1] = torch.zeros(3, 2, 2):type(expected[1]:type())
          seeded(torch[row.name], joined(into, args))
          tensors.assert_same(expected[1], into[1])
        end
      end)

    end)
  end

  if is_function(row) then
    describe(row.op .. ' called as', function()
      it('a method', function()
        for _, sample in ipairs(samples_of(row)) do
          local args = arguments(sample)
          local expected = results_of(seeded(torch[row.name], unpack(args, 1, args.n)))
          local first = args[1]
          if torch.isTensor(first) and not sample.method_differs then
            local receiver, rest = first:clone(), count(unpack(args, 2, args.n))
            local method = receiver[row.name]
            if row.convention == 'A' then
              if tensors.sizes(first) == tensors.sizes(expected[1]) then
                local got = seeded(method, receiver, unpack(rest, 1, rest.n))
                assert.is_true(rawequal(got, receiver))
                tensors.assert_same(expected[1], receiver)
              end
            elseif row.convention == 'B' then
              local res = first.new()
              assert.is_true(rawequal(res, method(res, unpack(args, 1, args.n))))
              tensors.assert_same(expected[1], res)
            else
              local got = results_of(seeded(method, receiver, unpack(rest, 1, rest.n)))
              tensors.assert_same(expected, got)
              assert.is_true(torch.equal(first, receiver) or first:nElement() == 0)
            end
          end
        end
      end)
    end)
  end

  describe(row.op .. ' called wrongly', function()
    local function refuses(f, ...)
      local ok, message = pcall(f, ...)
      assert.is_false(ok, row.op .. ' accepted nonsense')
      assert.equal('string', type(message))
      local text = message:gsub('^[^ ]-:%d+: ', ''):gsub('^[^ ]-:%d+: ', '')
      local name = text:match('^([%w_]+)')
      local aliases = ' ' .. (row.aliases or '') .. ' '
      local known = name == row.name or name == row.op or (inner[row.op] or {})[name]
        or aliases:find(' ' .. name .. ' ', 1, true)
      assert.is_truthy(known, 'the message does not begin with the name: ' .. message)
      return text
    end
    local nonsense = {'a string', true, function() end, {}, {'x', 'y'}, io.stdout}

    it('says its name', function()
      local f = torch[row.name]
      for _, value in ipairs(nonsense) do
        if not (row.convention == 'B' and type(value) == 'string') then refuses(f, value) end
        if not (three_flags[row.op] and value == true) then
          refuses(f, torch.zeros(2, 3), value, value, value)
        end
      end
      if not draws[row.op] then refuses(f) end
    end)

    it('wants no more than its parameters', function()
      local sample = samples_of(row)[1]
      local args = arguments(sample)
      for k = args.n + 1, args.n + 12 do args[k] = 'more' end
      refuses(torch[row.name], unpack(args, 1, args.n + 12))
    end)

    it('names the sizes that do not fit', function()
      local sample = samples_of(row)[1]
      local dtype = row.integers and not row.floats and 'int64' or 'float64'
      local misfits = {torch.ones(2, 3):to(dtype), torch.ones(4, 5):to(dtype),
        torch.ones(7, 2, 9):to(dtype), torch.ones(7, 2, 9):to(dtype)}
      local n = #sample.inputs
      if n >= 2 and not fits[row.op] then
        sample.inputs = {unpack(misfits, 1, n)}
        local made, args = pcall(arguments, sample) -- some make their arguments of the inputs
        if made then
          local text = refuses(torch[row.name], unpack(args, 1, args.n))
          assert.is_truthy(text:find('%dx%d') or text:find('size %d') or text:find('got %d'), text)
        end
      end
    end)
  end)
end

describe('named parameters', function()
  local x = torch.range(1, 6):view(2, 3)

  it('stand in a table behind the others', function()
    assert.same({{5, 7, 9}}, x:sum {dim = 1}:totable())
    assert.same({6, 15}, torch.sum(x, {keepdim = false, dim = 2}):totable())
    assert.same({{3, 2, 1}, {6, 5, 4}}, x:sort(2, {descending = true}):totable())
    assert.same({{2, 2, 3}, {4, 5, 5}}, x:clone():clamp({min = 2, max = 5}):totable())
    assert.same({{3, 4, 5}, {6, 7, 8}}, torch.add(x, {b = 1, alpha = 2}):totable())
  end)

  it('must exist, and be there once', function()
    assert.error_matches(function() x:sum {dims = 1} end, "no parameter is named 'dims'")
    assert.error_matches(function() torch.sum(x, 1, true, {dim = 1}) end, "'dim' is given twice")
    assert.error_matches(function() x:sum {[1] = 'a', dim = 1} end, 'sum')
  end)
end)

describe('in-place forms', function()
  it('want a result of the receiver\'s size', function()
    local ok, message = pcall(function() torch.zeros(3):add(torch.zeros(2, 3)) end)
    assert.is_false(ok)
    assert.matches('add: a result of size [2x3] does not fit into the tensor of size [3]', message,
      1, true)
  end)

  it('broadcast what is added', function()
    assert.same({{1, 2}, {1, 2}}, torch.zeros(2, 2):add(torch.Tensor {1, 2}):totable())
  end)

  it('keep the receiver\'s type', function()
    assert.equal('torch.IntTensor', torch.IntTensor {1, 2}:add(torch.Tensor {1.5, 1}):type())
    assert.same({2, 3}, torch.IntTensor {1, 2}:add(torch.Tensor {1.5, 1}):totable())
  end)

  it('of three arguments store what they calculate', function()
    local r, x = torch.zeros(3), torch.Tensor {1, 4, 9}
    assert.is_true(rawequal(r, r:sqrt(x)))
    assert.same({1, 2, 3}, r:totable())
    r:add(x, 2, x)
    assert.same({3, 12, 27}, r:totable())
    r:cmul(x, x)
    assert.same({1, 16, 81}, r:totable())
    r:mm(torch.ones(2, 3), torch.ones(3, 2))
    assert.same({{3, 3}, {3, 3}}, r:totable())
  end)

  it('read overlapping inputs before they write', function()
    local x = torch.range(1, 6)
    local shifted = x:narrow(1, 2, 5)
    shifted:copy(x:narrow(1, 1, 5))
    assert.same({1, 1, 2, 3, 4, 5}, x:totable())
    local m = torch.range(1, 9):view(3, 3)
    m:copy(m:t())
    assert.same({{1, 4, 7}, {2, 5, 8}, {3, 6, 9}}, m:totable())
    m:mm(m, torch.eye(3))
    assert.same({{1, 4, 7}, {2, 5, 8}, {3, 6, 9}}, m:totable())
    m:add(m, m:t())
    assert.same({{2, 6, 10}, {6, 10, 14}, {10, 14, 18}}, m:totable())
  end)
end)

describe('Torch7\'s forms', function()
  it('of add take the factor before the last tensor', function()
    local x, y = torch.Tensor {1, 2}, torch.Tensor {10, 20}
    assert.same({21, 42}, torch.add(x, 2, y):totable())
    assert.same({21, 42}, x:clone():add(2, y):totable())
    assert.same({3, 4}, x:clone():add(2):totable())
  end)

  it('of addmm take beta and alpha', function()
    local m, a, b = torch.ones(2, 2), torch.ones(2, 3), torch.ones(3, 2)
    assert.equal(4, torch.addmm(m, a, b)[1][1])
    assert.equal(7, torch.addmm(m, 2, a, b)[1][1])
    assert.equal(6.5, torch.addmm(0.5, m, 2, a, b)[1][1])
    assert.equal(7, m:clone():addmm(2, a, b)[1][1])
    assert.equal(6.5, m:clone():addmm(0.5, 2, a, b)[1][1])
    assert.equal(4, m:clone():addmm(a, b)[1][1])
  end)

  it('of addcmul take a factor', function()
    local x, a = torch.Tensor {1, 1}, torch.Tensor {2, 3}
    assert.same({5, 10}, torch.addcmul(x, a, a):totable())
    assert.same({3, 5.5}, torch.addcmul(x, 0.5, a, a):totable())
    assert.same({3, 5.5}, x:clone():addcmul(0.5, a, a):totable())
  end)

  it('of max and min give values and indices', function()
    local x = torch.Tensor {{3, 1}, {2, 5}}
    assert.equal(5, x:max())
    local values, indices = x:max(1)
    assert.same({{3, 5}}, values:totable())
    assert.same({{1, 2}}, indices:totable())
    assert.equal('torch.LongTensor', indices:type())
    assert.same({{1}, {2}}, torch.min(x, 2):totable())
  end)

  it('of functions of numbers give numbers', function()
    assert.equal(1, torch.exp(0))
    assert.equal(3, torch.sqrt(9))
    assert.equal(-1, torch.floor(-0.5))
    assert.equal(8, torch.pow(2, 3))
  end)
end)
