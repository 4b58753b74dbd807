-- Our side of the table of tensor operations in tensors.rows; the other side is tensors.py.
--
--   moonlet scripts/bench/tensors.lua seconds [pattern]
--
-- Prints `name: best median`, nanoseconds per call, of the rows whose names hold the pattern, and
-- `name: absent` where the call fails.
local torch = require('torch')
local here = arg[0]:match('^(.*/)') or './'
local clock = dofile(here .. 'clock.lua')
local rows = dofile(here .. 'rows.lua')(here .. 'tensors.rows')

local seconds = tonumber(arg[1]) or 0.03
local pattern = arg[2] or ''
torch.manualSeed(1)

local known = { torch = torch, randn = torch.randn, rand = torch.rand, zeros = torch.zeros }

function known.ints(high, ...) return torch.LongTensor(...):random(1, high) end
function known.mask(...) return torch.ByteTensor(...):random(0, 1) end
function known.f32(x) return x:float() end
function known.f64(x) return x:double() end
function known.f16(x) return x:half() end
function known.bf16(x) return x:bfloat16() end
function known.i32(x) return x:int() end
function known.u8(x) return x:byte() end
function known.turned(x) return x:transpose(1, 2) end
function known.permuted(x) return x:permute(1, 3, 4, 2) end
function known.ascending(n) return (torch.sort(torch.rand(n))) end
function known.definite(n)
  local a = torch.randn(n, n)
  return torch.add(torch.mm(a, a:t()), torch.mul(torch.eye(n), n))
end
function known.every_second(x)
  return x:view(x:size(1), x:size(2) / 2, 2):select(3, 1)
end
function known.grad(x)
  x.requires_grad = true
  return x
end

-- A function that does the row's call n times.
local function loop_of(row)
  local heads, values = {}, {}
  for name, value in pairs(known) do
    heads[#heads + 1], values[#values + 1] = name, value
  end
  local kept = row.ours:find('backward') and '' or 'local _ = '
  local code = ('local %s = ...\nlocal %s\nreturn function(times) for _ = 1, times do %s%s end end')
    :format(table.concat(heads, ', '), row.setup, kept, row.ours)
  local chunk = assert((loadstring or load)(code, '=' .. row.name))
  return chunk((unpack or table.unpack)(values))
end

for _, row in ipairs(rows) do
  if row.name:find(pattern, 1, true) then
    local fits, loop = pcall(loop_of, row)
    if fits and pcall(loop, 1) then
      local best, median = clock.per_call(loop, seconds, 0.001)
      print(('%s: %.1f %.1f'):format(row.name, best, median))
    else
      print(row.name .. ': absent')
    end
    collectgarbage()
  end
end
