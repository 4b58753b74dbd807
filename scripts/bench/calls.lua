-- A call on 10 elements, and products of matrices. The other side is calls.py.
--
--   moonlet scripts/bench/calls.lua seconds
--
-- Prints `case best median`, nanoseconds per call.
local torch = require('torch')
local here = arg[0]:match('^(.*/)') or './'
local clock = dofile(here .. 'clock.lua')

local seconds = tonumber(arg[1]) or 1

local function add()
  local call, a, b = torch.add, torch.randn(10), torch.randn(10)
  return function(n)
    for _ = 1, n do call(a, b) end
  end
end

local function add_grad()
  local call, a, b = torch.add, torch.randn(10), torch.randn(10)
  a.requires_grad = true
  return function(n)
    for _ = 1, n do call(a, b) end
  end
end

local function mm(rows, columns, inner)
  local call = torch.mm
  local a, b = torch.randn(rows, inner), torch.randn(inner, columns)
  local out = torch.Tensor(rows, columns)
  return function(n)
    for _ = 1, n do call(out, a, b) end
  end
end

local cases = {
  { 'add', add() },
  { 'add_grad', add_grad() },
  { 'mm_32x128x784', mm(32, 128, 784) },
  { 'mm_256', mm(256, 256, 256) },
  { 'mm_1024', mm(1024, 1024, 1024) },
}
for _, case in ipairs(cases) do
  local best, median = clock.per_call(case[2], seconds)
  print(('%s %.1f %.1f'):format(case[1], best, median))
end
