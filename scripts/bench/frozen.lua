-- A small network in use, frozen and not: 64 inputs, 64 hidden units, 4 outputs, one example. The
-- other sides are frozen.c and frozen.py.
--
--   moonlet scripts/bench/frozen.lua write FILE      the network's floats, for the other sides: an
--                                                    input, weights and biases, the result
--   moonlet scripts/bench/frozen.lua FILE seconds    `case: best median`, nanoseconds per call
local torch, nn = require('torch'), require('nn')
local here = arg[0]:match('^(.*/)') or './'
local clock = dofile(here .. 'clock.lua')

local path = arg[1] == 'write' and arg[2] or arg[1]
local seconds = tonumber(arg[2]) or 1

torch.setnumthreads(1)
torch.manualSeed(1)
local model = nn.MLP{64, 64, 4}
local x = torch.randn(1, 64)
model:evaluate()
local frozen = model:freeze(x)

if arg[1] == 'write' then
  local file = torch.DiskFile(path, 'w'):binary()
  file:writeFloat(x:storage())
  for _, parameter in ipairs((model:parameters())) do
    file:writeFloat(parameter:detach():clone():storage())
  end
  file:writeFloat(frozen(x):clone():storage())
  file:close()
  return
end

local function loop_of(f)
  return function(n)
    for _ = 1, n do f(x) end
  end
end

local function report(case, f)
  print(('%s: %.1f %.1f'):format(case, clock.per_call(loop_of(f), seconds)))
end

report('frozen', frozen)
torch.set_grad_enabled(false)
report('model', model)
