-- Timing as calls.py and sgemm_direct.c do it, so that figures can be compared.
local torch = require('torch')

local clock = {}
local timer = torch.Timer()

--- Seconds since some moment.
function clock.now()
  return timer:time().real
end

--- Best and median of `sample` (a function that returns a figure), as often as fits in `seconds`.
function clock.measure(sample, seconds, at_least)
  local figures = {}
  local stop = clock.now() + seconds
  while clock.now() < stop or #figures < at_least do figures[#figures + 1] = sample() end
  table.sort(figures)
  return figures[1], figures[math.floor(#figures / 2) + 1]
end

--- Nanoseconds per round of `loop(n)`: best and median of samples of at least `least` seconds
--- each, 5 ms unless told otherwise.
function clock.per_call(loop, seconds, least)
  local n = 1
  local function run()
    local start = clock.now()
    loop(n)
    return clock.now() - start
  end
  while run() < (least or 0.005) do n = n * 2 end
  return clock.measure(function() return run() / n * 1e9 end, seconds, 3)
end

return clock
