-- Every row of the operation table in every type of tensor, and on empty tensors.
local samples = require 'spec.support.samples'
local tensors = require 'spec.support.tensors'

local unpack = table.unpack or unpack

local function run(row, sample, inputs)
  return {sample.call(torch[row.name], sample.args(unpack(inputs)))}
end

local function converted(inputs, dtype)
  local list = {}
  for k, x in ipairs(inputs) do list[k] = x:to(dtype) end
  return list
end

-- Relative error allowed where values pass through a type: some units in its last place.
local tolerances = {float32 = 2e-5, float16 = 8e-3, bfloat16 = 6e-2}

-- A small error of a value makes a jump, or a large error, of these.
local jumps = {fmod = true, remainder = true, frac = true}

local function check_float(row, dtype)
  for _, sample in ipairs(samples.of(row)) do
    if not sample.random and #sample.inputs > 0 then
      local narrow = converted(sample.inputs, dtype)
      local expected = run(row, sample, converted(narrow, 'float64'))
      tensors.assert_same(expected, run(row, sample, narrow), tolerances[dtype])
    end
  end
end

-- Rows whose result for whole numbers is another than that for the same numbers as floats:
-- what it is stands in spec/tensor/arithmetic_spec.lua.
local whole_differs = {div = true, floor_divide = true, mean = true, scatter_reduce = true,
  index_reduce = true}

local function check_whole(row, dtype)
  for _, sample in ipairs(samples.of(row, 'whole')) do
    if not sample.random and #sample.inputs > 0 then
      local inputs = sample.inputs
      if dtype == 'uint8' then
        for k, x in ipairs(inputs) do inputs[k] = torch.abs(x) end
      end
      local narrow = converted(inputs, dtype)
      local expected = run(row, sample, inputs)
      local ok, got = pcall(run, row, sample, narrow)
      assert.is_true(ok, ok or tostring(got))
      -- What is no whole number comes as a float32, and is rounded towards 0 in place.
      for k, y in ipairs(got) do
        if torch.isTensor(y) and torch.isTensor(expected[k]) and not y.dtype:find('float') then
          expected[k] = expected[k]:to(dtype == 'uint8' and 'uint8' or 'int64')
        end
      end
      tensors.assert_same(expected, got, 2e-5)
    end
  end
end

for _, row in ipairs(torch.ops) do
  describe(row.op, function()
    if row.floats then
      for _, dtype in ipairs {'float32', 'float16', 'bfloat16'} do
        it('calculates in ' .. dtype, function()
          if not (jumps[row.op] and dtype ~= 'float32') then check_float(row, dtype) end
        end)
      end
    end
    if row.integers and row.floats then
      for _, dtype in ipairs {'int64', 'int32', 'int16', 'int8', 'uint8'} do
        it('calculates in ' .. dtype, function()
          if not whole_differs[row.op] then check_whole(row, dtype) end
        end)
      end
    end
    if row.pointwise then
      it('gives an empty result for empty tensors', function()
        local sample = samples.of(row)[1]
        local dtype = row.floats and 'float64' or 'int64'
        for k in ipairs(sample.inputs) do
          sample.inputs[k] = torch.zeros(torch.LongStorage {2, 0, 3}, {dtype = dtype})
        end
        local result = row.op == 'where'
            and torch.where(torch.zeros(2, 0, 3):byte(), sample.inputs[1], sample.inputs[2])
          or row.op == 'maskedFill'
            and torch.maskedFill(sample.inputs[1], sample.inputs[1]:byte(), 1)
          or run(row, sample, sample.inputs)[1]
        assert.same({2, 0, 3}, result:size():totable())
      end)
    end
  end)
end

describe('reductions of empty tensors', function()
  local empty, rows = torch.zeros(0), torch.zeros(0, 3)
  it('give the neutral element', function()
    assert.equal(0, empty:sum())
    assert.equal(1, empty:prod())
    assert.is_true(empty:all())
    assert.is_false(empty:any())
    assert.same({{0, 0, 0}}, rows:sum(1):totable())
    assert.same({{1, 1, 1}}, rows:prod(1):totable())
    assert.equal(-math.huge, empty:logsumexp())
    assert.is_true(empty:mean() ~= empty:mean())
    assert.equal(0, empty:norm())
  end)

  it('fail where there is none', function()
    for _, name in ipairs {'max', 'min', 'argmax', 'argmin'} do
      local ok, message = pcall(torch[name], empty)
      assert.is_false(ok)
      assert.matches(name, message)
      ok, message = pcall(torch[name], rows, 1)
      assert.is_false(ok)
      assert.matches(name, message)
    end
  end)

  it('leave sizes of 0 where they are not reduced', function()
    assert.same({0, 1}, rows:sum(2):size():totable())
    for d = 1, 3 do
      for _, sizes in ipairs {{2, 0, 3}, {0, 2, 3}, {2, 3, 0}} do
        local x = torch.zeros(torch.LongStorage(sizes))
        sizes[d] = 1
        assert.same(sizes, x:sum(d):size():totable())
      end
    end
    assert.same({0, 3}, rows:softmax(2):size():totable())
    assert.same({0, 3}, rows:cumsum(1):size():totable())
    assert.same({0, 3}, rows:sort(1):size():totable())
  end)
end)

describe('products of empty matrices', function()
  it('are zeros of the right sizes', function()
    assert.same({2, 3}, torch.mm(torch.zeros(2, 0), torch.zeros(0, 3)):size():totable())
    assert.equal(0, torch.mm(torch.zeros(2, 0), torch.zeros(0, 3)):sum())
    assert.same({0, 3}, torch.mm(torch.zeros(0, 2), torch.zeros(2, 3)):size():totable())
    assert.same({2}, torch.mv(torch.zeros(2, 0), torch.zeros(0)):size():totable())
    assert.same({2, 3}, torch.linear(torch.zeros(2, 0), torch.zeros(3, 0)):size():totable())
    assert.equal(0, torch.dot(torch.zeros(0), torch.zeros(0)))
  end)

  it('have gradients', function()
    local a, b = torch.zeros(2, 0), torch.zeros(0, 3)
    a.requires_grad, b.requires_grad = true, true
    torch.mm(a, b):sum():backward()
    assert.same({2, 0}, a.grad:size():totable())
    assert.same({0, 3}, b.grad:size():totable())
  end)
end)
