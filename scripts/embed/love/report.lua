--- Measures for tests: what learning took of each frame, by the processor's clock, as on a machine
-- with much to do other programs run meanwhile.
local ffi = require 'ffi'

ffi.cdef [[
typedef struct { long seconds, nanoseconds; } moths_time;
int clock_gettime(int clock, moths_time *time);
]]

local THREAD_CPU = 3 -- CLOCK_THREAD_CPUTIME_ID of Linux
local report = {}
local time = ffi.new('moths_time')
local frames, within, longest, started, began

local function processor()
  ffi.C.clock_gettime(THREAD_CPU, time)
  return tonumber(time.seconds) + 1e-9 * tonumber(time.nanoseconds)
end

function report.begin()
  frames, within, longest = 0, 0, 0
  began = love.timer.getTime()
end

function report.start()
  started = processor()
end

function report.stop(budget)
  local used = processor() - started
  frames = frames + 1
  if used <= budget then within = within + 1 end
  longest = math.max(longest, used)
end

local function save(path, text)
  local file = assert(io.open(path, 'wb'))
  assert(file:write(text))
  file:close()
end

function report.screenshot(path)
  love.graphics.captureScreenshot(function(image) save(path, image:encode('png'):getString()) end)
end

local function mean(list, first, last)
  local sum, count = 0, 0
  for i = math.max(1, first), math.min(#list, last) do sum, count = sum + list[i], count + 1 end
  return count > 0 and sum / count or 0
end

--- A line for each value: the share of moths in the light in the first and the last eight seconds.
function report.write(path, history, rounds)
  local seconds = love.timer.getTime() - began
  local lines = {
    ('first=%.3f'):format(mean(history, 1, 8)),
    ('last=%.3f'):format(mean(history, #history - 7, #history)),
    ('rounds=%d'):format(rounds),
    ('frames=%d'):format(frames),
    ('within=%.4f'):format(within / math.max(1, frames)),
    ('longest=%.2f ms'):format(longest * 1e3),
    ('fps=%.0f'):format(frames / seconds),
  }
  save(path, table.concat(lines, '\n') .. '\n')
end

return report
