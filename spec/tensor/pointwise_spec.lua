-- Pointwise operations against plain functions of Lua numbers, in every length of a SIMD kernel's
-- body and tail, and where values are infinite, not numbers, or at the edge of a type.
local samples = require 'spec.support.samples'
local tensors = require 'spec.support.tensors'

local inf, nan = math.huge, 0 / 0

local function round_even(x)
  local low = math.floor(x)
  if x - low == 0.5 then return low % 2 == 0 and low or low + 1 end
  return math.floor(x + 0.5)
end

local function trunc(x)
  return x < 0 and math.ceil(x) or math.floor(x)
end

local function test(holds)
  return holds and 1 or 0
end

local function sigmoid(x)
  return 1 / (1 + math.exp(-x))
end

local function log1p(x) -- accurate near 0: corrects the error of 1 + x
  local y = 1 + x
  return y == 1 and x or math.log(y) * x / (y - 1)
end

local function expm1(x)
  if math.abs(x) < 1e-5 then return x + x * x / 2 end
  return math.exp(x) - 1
end

-- Sum of the series 2/sqrt(pi) * (-1)^n x^(2n+1) / (n! (2n+1)), for |x| < 3.
local function erf(x)
  local term, sum = x, x
  for n = 1, 100 do
    term = -term * x * x / n
    sum = sum + term / (2 * n + 1)
  end
  return sum * 2 / math.sqrt(math.pi)
end

local function atan2(y, x)
  return math.atan2 and math.atan2(y, x) or math.atan(y, x) -- luacheck: ignore
end

local reference = {
  neg = function(x) return -x end,
  abs = math.abs,
  sign = function(x) return test(x > 0) - test(x < 0) end,
  square = function(x) return x * x end,
  relu = function(x) return x > 0 and x or 0 end,
  cinv = function(x) return 1 / x end,
  exp = math.exp,
  expm1 = expm1,
  log = math.log,
  log1p = log1p,
  log2 = function(x) return math.log(x) / math.log(2) end,
  log10 = function(x) return math.log(x) / math.log(10) end,
  sqrt = math.sqrt,
  rsqrt = function(x) return 1 / math.sqrt(x) end,
  sin = math.sin,
  cos = math.cos,
  tan = math.tan,
  asin = math.asin,
  acos = math.acos,
  atan = math.atan,
  sinh = function(x) return (math.exp(x) - math.exp(-x)) / 2 end,
  cosh = function(x) return (math.exp(x) + math.exp(-x)) / 2 end,
  tanh = function(x) return 2 * sigmoid(2 * x) - 1 end,
  sigmoid = sigmoid,
  logsigmoid = function(x) return math.log(sigmoid(x)) end,
  softplus = function(x) return math.log(1 + math.exp(x)) end,
  erf = erf,
  gelu = function(x) return x * (1 + erf(x / math.sqrt(2))) / 2 end,
  silu = function(x) return x * sigmoid(x) end,
  elu = function(x, alpha) return x > 0 and x or (alpha or 1) * (math.exp(x) - 1) end,
  leaky_relu = function(x, slope) return x > 0 and x or (slope or 0.01) * x end,
  clamp = function(x, low, high) return math.min(math.max(x, low), high) end,
  threshold = function(x, least, value) return x > least and x or value end,
  floor = math.floor,
  ceil = math.ceil,
  round = round_even,
  trunc = trunc,
  frac = function(x) return x - trunc(x) end,
  isnan = function(x) return test(x ~= x) end,
  isinf = function(x) return test(x == inf or x == -inf) end,
  logical_not = function(x) return test(x == 0) end,
  add = function(a, b, alpha) return a + (alpha or 1) * b end,
  sub = function(a, b, alpha) return a - (alpha or 1) * b end,
  mul = function(a, b) return a * b end,
  div = function(a, b) return a / b end,
  pow = function(a, b) return a ^ b end,
  cmax = math.max,
  cmin = math.min,
  atan2 = atan2,
  fmod = math.fmod,
  remainder = function(a, b) return a - math.floor(a / b) * b end,
  lerp = function(a, b, weight) return a + weight * (b - a) end,
  lt = function(a, b) return test(a < b) end,
  le = function(a, b) return test(a <= b) end,
  gt = function(a, b) return test(a > b) end,
  ge = function(a, b) return test(a >= b) end,
  eq = function(a, b) return test(a == b) end,
  ne = function(a, b) return test(a ~= b) end,
  logical_and = function(a, b) return test(a ~= 0 and b ~= 0) end,
  logical_or = function(a, b) return test(a ~= 0 or b ~= 0) end,
  logical_xor = function(a, b) return test((a ~= 0) ~= (b ~= 0)) end,
  where = function(c, a, b) return c ~= 0 and a or b end,
  maskedFill = function(x, mask, value) return mask ~= 0 and value or x end,
  addcmul = function(x, a, b, value) return x + (value or 1) * a * b end,
  addcdiv = function(x, a, b, value) return x + (value or 1) * a / b end}

-- The rows of pointwise_rare.def. lgamma and its derivatives by recurrence and Stirling's series.
local function lgamma(x)
  local shift = 0
  while x < 12 do
    shift, x = shift + math.log(x), x + 1
  end
  local z = 1 / (x * x)
  return (x - 0.5) * math.log(x) - x + 0.5 * math.log(2 * math.pi) - shift
    + (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z / 1680))) / x
end

local function polygamma(x, n)
  if n < 1 then return nil end
  local sum, q = 0, x
  while q < 40 do
    sum, q = sum + q ^ -(n + 1), q + 1
  end
  sum = sum + q ^ -n * (1 / n + 0.5 / q + (n + 1) / (12 * q * q)
    - (n + 1) * (n + 2) * (n + 3) / (720 * q ^ 4))
  local factorial = math.exp(lgamma(n + 1))
  return (n % 2 == 1 and 1 or -1) * factorial * sum
end

local function digamma(x)
  local shift = 0
  while x < 12 do
    shift, x = shift - 1 / x, x + 1
  end
  local z = 1 / (x * x)
  return shift + math.log(x) - 0.5 / x - z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z / 240)))
end

local function erfinv(y)
  local x = 0
  for _ = 1, 60 do x = x - (erf(x) - y) * math.sqrt(math.pi) / 2 * math.exp(x * x) end
  return x
end

local function limit(x, low, high)
  return math.min(math.max(x, low), high)
end

local function gcd(a, b)
  while b ~= 0 do a, b = b, a % b end
  return a
end

for name, f in pairs {
  exp2 = function(x) return 2 ^ x end,
  erfc = function(x) return 1 - erf(x) end,
  erfinv = erfinv,
  lgamma = lgamma,
  digamma = digamma,
  polygamma = function(n, x) return polygamma(x, n) end,
  logit = function(x) return math.log(x / (1 - x)) end,
  sinc = function(x) return math.sin(math.pi * x) / (math.pi * x) end,
  asinh = function(x) return math.log(x + math.sqrt(x * x + 1)) end,
  acosh = function(x) return math.log(x + math.sqrt(x * x - 1)) end,
  atanh = function(x) return math.log((1 + x) / (1 - x)) / 2 end,
  deg2rad = math.rad,
  rad2deg = math.deg,
  mish = function(x) return x * (2 * sigmoid(2 * math.log(1 + math.exp(x))) - 1) end,
  gelu_tanh = function(x)
    return x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x ^ 3))
  end,
  selu = function(x) return 1.0507009873554805 * (x > 0 and x or 1.6732632423543772 * expm1(x)) end,
  celu = function(x, alpha) return x > 0 and x or alpha * expm1(x / alpha) end,
  hardtanh = function(x) return limit(x, -1, 1) end,
  relu6 = function(x) return limit(x, 0, 6) end,
  hardsigmoid = function(x) return limit(x / 6 + 0.5, 0, 1) end,
  hardswish = function(x) return x * limit(x / 6 + 0.5, 0, 1) end,
  hardshrink = function(x) return math.abs(x) > 0.5 and x or 0 end,
  softshrink = function(x) return x > 0.5 and x - 0.5 or x < -0.5 and x + 0.5 or 0 end,
  softsign = function(x) return x / (1 + math.abs(x)) end,
  tanhshrink = function(x) return x - (2 * sigmoid(2 * x) - 1) end,
  isfinite = function(x) return test(x - x == 0) end,
  isposinf = function(x) return test(x == inf) end,
  isneginf = function(x) return test(x == -inf) end,
  signbit = function(x) return test(x < 0) end,
  fmax = math.max,
  fmin = math.min,
  hypot = function(a, b) return math.sqrt(a * a + b * b) end,
  logaddexp = function(a, b) return math.log(math.exp(a) + math.exp(b)) end,
  logaddexp2 = function(a, b) return math.log(2 ^ a + 2 ^ b) / math.log(2) end,
  xlogy = function(a, b) return a * math.log(b) end,
  copysign = function(a, b) return b < 0 and -math.abs(a) or math.abs(a) end,
  heaviside = function(a, b) return a < 0 and 0 or a > 0 and 1 or b end,
  floor_divide = function(a, b) return math.floor(a / b) end,
  gcd = gcd,
  lcm = function(a, b) return a * b / gcd(a, b) end} do
  reference[name] = f
end

-- Bit by bit, since Lua's versions have no operators in common.
local function bitwise(f)
  return function(a, b)
    local result, place = 0, 1
    while a > 0 or b > 0 do
      if f(a % 2, b % 2) then result = result + place end
      a, b, place = math.floor(a / 2), math.floor(b / 2), place * 2
    end
    return result
  end
end
reference.bitand = bitwise(function(p, q) return p == 1 and q == 1 end)
reference.bitor = bitwise(function(p, q) return p == 1 or q == 1 end)
reference.bitxor = bitwise(function(p, q) return p ~= q end)
reference.lshift = function(a, b) return a * 2 ^ b end
reference.rshift = function(a, b) return math.floor(a / 2 ^ b) end

-- Values for the numbers that a call must give, in the order of the table's args.
local parameters = {clamp = {-0.5, 0.8}, threshold = {0.6, -1}, lerp = {0.25}, elu = {0.7},
  leaky_relu = {0.2}, celu = {0.7}}

local function inputs_of(row, sizes, dtype)
  local list = {}
  for kind in row.args:gmatch('([TX]) ') do
    local x = samples.tensor(sizes, row.low, row.high, not row.floats and 'whole')
    list[#list + 1] = {kind = kind, x = x:to(dtype)}
  end
  if row.op == 'polygamma' then list[1].x = torch.ceil(list[1].x):fmod(3):add(1) end
  if row.op == 'where' then list[1].x = torch.gt(list[1].x, 0) end
  if row.op == 'maskedFill' then list[2].x = torch.gt(list[2].x, 0) end
  return list
end

local function expected_of(row, list, extra)
  local flat, result = {}, {}
  for k, input in ipairs(list) do flat[k] = torch.totable_flat(input.x) end
  for i = 1, #flat[1] do
    local values = {}
    for k = 1, #list do values[k] = flat[k][i] end
    for _, value in ipairs(extra) do values[#values + 1] = value end
    result[i] = reference[row.op]((table.unpack or unpack)(values))
  end
  return result
end

local function check(row, sizes, dtype, tolerance)
  local list, extra = inputs_of(row, sizes, dtype), parameters[row.op] or {}
  local args = {}
  for k, input in ipairs(list) do args[k] = input.x end
  for _, value in ipairs(extra) do args[#args + 1] = value end
  local got = torch[row.name]((table.unpack or unpack)(args))
  local expected = torch.DoubleTensor(expected_of(row, list, extra)):view(torch.LongStorage(sizes))
  tensors.assert_same(expected, got, tolerance, dtype)
end

for _, row in ipairs(torch.ops) do
  if row.pointwise then
    describe(row.op .. ' of numbers', function()
      it('has a reference', function()
        assert.is_not_nil(reference[row.op])
      end)

      it('agrees with it', function()
        samples.seed(5)
        if row.floats then
          for _, n in ipairs {1, 3, 7, 8, 15, 16, 17, 31, 33, 70, 600} do
            check(row, {n}, 'float32', 3e-6)
          end
          check(row, {40, 41}, 'float64', 1e-12)
        else
          for _, n in ipairs {1, 7, 16, 33} do check(row, {n}, 'int64') end
          check(row, {5, 7}, 'int32')
        end
      end)
    end)
  end
end

describe('special values', function()
  local function values(list, dtype)
    return torch.DoubleTensor(list):to(dtype)
  end
  -- Each long enough to reach the SIMD loop: the value stands at several places.
  local function each(dtype, name, x, ...)
    local many = torch.full(37, x):to(dtype)
    local y = torch[name](many, ...)
    local first = y[1]
    for k = 2, 37 do assert.is_true(y[k] == first or (first ~= first and y[k] ~= y[k])) end
    return first
  end

  for _, dtype in ipairs {'float32', 'float64', 'float16', 'bfloat16'} do
    it('pass through functions of ' .. dtype, function()
      local cases = {
        {'exp', -inf, 0}, {'exp', inf, inf}, {'log', 0, -inf}, {'log', -1, nan}, {'log', inf, inf},
        {'sqrt', -1, nan}, {'sqrt', inf, inf}, {'rsqrt', 0, inf}, {'tanh', inf, 1},
        {'tanh', -inf, -1}, {'sigmoid', inf, 1}, {'sigmoid', -inf, 0}, {'relu', nan, nan},
        {'relu', -inf, 0}, {'relu', inf, inf}, {'abs', -inf, inf}, {'sign', nan, 0},
        {'floor', inf, inf}, {'round', nan, nan}, {'expm1', -inf, -1}, {'log1p', -1, -inf},
        {'erf', inf, 1}, {'erf', -inf, -1}, {'sin', inf, nan}, {'cos', -inf, nan},
        {'softplus', inf, inf}, {'softplus', -inf, 0}, {'logsigmoid', -inf, -inf},
        {'atan', inf, values({math.pi / 2}, dtype)[1]}, {'cinv', 0, inf}, {'cinv', -inf, 0},
        {'exp', 1000, inf}, {'exp', -1000, 0}, {'acos', 2, nan}, {'asin', -2, nan},
        {'square', -inf, inf}, {'trunc', -inf, -inf}}
      for _, case in ipairs(cases) do
        local name, x, y = case[1], case[2], case[3]
        for _, z in ipairs(name == 'sign' and {} or {each(dtype, name, nan)}) do
          assert.is_true(z ~= z, name .. '(nan)')
        end
        tensors.assert_same(y, each(dtype, name, x), 0, ('%s(%g)'):format(name, x))
      end
    end)
  end

  it('are seen by tests', function()
    local x = torch.FloatTensor {inf, -inf, nan, 0, -1}
    assert.same({0, 0, 1, 0, 0}, torch.isnan(x):totable())
    assert.same({1, 1, 0, 0, 0}, torch.isinf(x):totable())
    assert.same({0, 0, 0, 0, 0}, torch.eq(x, nan):totable())
    assert.same({1, 1, 1, 1, 1}, torch.ne(x, nan):totable())
    assert.same({0, 1, 0, 0, 1}, torch.lt(x, 0):totable())
    assert.same({1, 1, 1, 0, 1}, torch.logical_and(x, 1):totable())
  end)

  it('win against numbers in cmax and cmin', function()
    local x, y = torch.Tensor {nan, 1, inf, -inf}, torch.Tensor {1, nan, 2, 2}
    tensors.assert_same(torch.Tensor {nan, nan, inf, 2}, torch.cmax(x, y), 0)
    tensors.assert_same(torch.Tensor {nan, nan, 2, -inf}, torch.cmin(x, y), 0)
    assert.is_true(torch.cmax(x, 0)[1] ~= torch.cmax(x, 0)[1])
  end)

  it('follow the rules of powers and quotients', function()
    local x = torch.DoubleTensor {0, 0, -1, -8, inf, -2, -2, 1}
    local y = torch.DoubleTensor {0, -1, 0.5, 1 / 3, 0, 3, 2, nan}
    tensors.assert_same(torch.DoubleTensor {1, inf, nan, nan, 1, -8, 4, 1}, torch.pow(x, y), 1e-12)
    tensors.assert_same(torch.Tensor {inf, -inf, nan},
      torch.div(torch.Tensor {1, -1, 0}, torch.Tensor {0, 0, 0}))
    tensors.assert_same(torch.Tensor {nan, 1, nan},
      torch.fmod(torch.Tensor {inf, 1, 1}, torch.Tensor {2, inf, 0}))
  end)
end)
