-- What the specs of CUDA's operations share: inputs of many shapes, and results of a device beside
-- those of the CPU.
local torch = require('torch')
local assert = require('luassert')

local M = {}

M.tolerance = { float64 = 1e-12, float32 = 1e-5, float16 = 4e-3, bfloat16 = 3e-2 }
M.floats = { 'float32', 'float64', 'float16', 'bfloat16' }

-- Equal, both NaN, or apart by at most so much of the larger one (or of 1).
function M.near(a, b, tolerance, what)
  if type(b) == 'boolean' then return assert.are.equal(b, a, what) end
  if type(a) == 'number' then a = torch.DoubleTensor { a } end
  if type(b) == 'number' then b = torch.DoubleTensor { b } end
  if b.dtype ~= a.dtype then assert.are.equal(b.dtype, a.dtype, what .. ': type') end
  if not a:isSameSizeAs(b) then
    assert.are.same(b:size():totable(), a:size():totable(), what .. ': size')
  end
  a = a:cpu()
  if torch.equal(a, b) or a:nElement() == 0 then return assert.is_true(true) end
  a, b = a:double():reshape(a:nElement()), b:double():reshape(b:nElement())
  local nan = torch.ne(a, a)
  assert.is_true(torch.equal(nan, torch.ne(b, b)), what .. ': NaN')
  local same = torch.eq(a, b)
  same:cmax(nan)
  local size = torch.cmax(torch.abs(a), torch.abs(b)):clamp(1, math.huge)
  local apart = torch.cdiv(torch.abs(torch.csub(a, b)), size):maskedFill(same, 0)
  if apart:max() <= tolerance then return assert.is_true(true) end
  local _, at = apart:max(1)
  local i = at[1]
  assert.is_true(false, ('%s: %.17g at %d, expected %.17g'):format(what, a[i], i, b[i]))
end

-- Numbers of a dtype, for whole ones from `low` to `high`.
function M.numbers(dtype, low, high, ...)
  local x = torch.DoubleTensor(...)
  if dtype == 'bool' then return x:uniform(0, 2):floor():to('bool') end
  if dtype:match('float') then return x:uniform(low, high):to(dtype) end
  return x:uniform(dtype == 'uint8' and math.max(low, 0) or low, high + 1):floor():to(dtype)
end

-- f(x, ...) on the device and on the CPU, each result compared; `tolerance` of floating results.
function M.check(what, f, inputs, tolerance)
  local there = {}
  for i, x in ipairs(inputs) do there[i] = type(x) == 'userdata' and M.there(x) or x end
  local expected = { f((table.unpack or unpack)(inputs)) }
  local got = { f((table.unpack or unpack)(there)) }
  for i = 1, #expected do
    local dtype = type(expected[i]) == 'userdata' and expected[i].dtype or inputs[1].dtype
    M.near(got[i], expected[i], tolerance or M.tolerance[dtype] or 0, what .. ' ' .. i)
  end
end

-- A view that lies on the device as x lies on the CPU.
function M.there(x)
  if torch.isStorage and torch.isStorage(x) then return x end
  local sizes, strides, last = x:size():totable(), x:stride():totable(), 1
  for d = 1, #sizes do last = last + (sizes[d] - 1) * strides[d] end
  if x:nElement() == 0 or #sizes == 0 then return x:cuda() end
  local first = x:storageOffset()
  local bytes = torch.zeros(first + last - 1, { dtype = x.dtype })
  bytes:as_strided(sizes, strides, first):copy(x)
  return bytes:cuda():as_strided(sizes, strides, first)
end

-- Fails where an operation of these went by way of the CPU since `before` (torch.cuda.detours()).
function M.no_detours(before, names)
  local after = torch.cuda.detours()
  for _, name in ipairs(names) do
    assert.are.equal(before[name] or 0, after[name] or 0, name .. ' went by way of the CPU')
  end
end

return M
