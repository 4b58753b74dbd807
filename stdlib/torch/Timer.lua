--- Elapsed time: real, user and system seconds. A new timer runs.
local core = require 'torch.core'
local class = require 'torch.class'

local package = {}
local Timer = class.class('torch.Timer', package)

function Timer:__init()
  self.total = {0, 0, 0}
  self.started = {core.clock()}
end

-- Seconds up to now, as three numbers; the clock stands still while the timer is stopped.
local function elapsed(self)
  local total, started = self.total, self.started
  if not started then return total[1], total[2], total[3] end
  local real, user, sys = core.clock()
  return total[1] + real - started[1], total[2] + user - started[2], total[3] + sys - started[3]
end

--- Back to zero; a running timer goes on from there.
function Timer:reset()
  self.total = {0, 0, 0}
  self.started = self.started and {core.clock()}
  return self
end

function Timer:stop()
  if self.started then
    self.total = {elapsed(self)}
    self.started = nil
  end
  return self
end

function Timer:resume()
  self.started = self.started or {core.clock()}
  return self
end

--- {real=, user=, sys=} in seconds.
function Timer:time()
  local real, user, sys = elapsed(self)
  return {real = real, user = user, sys = sys}
end

function Timer:__tostring__()
  local time = self:time()
  return ('torch.Timer (%s): %.4f s real, %.4f s user, %.4f s sys'):format(
    self.started and 'running' or 'stopped', time.real, time.user, time.sys)
end

return package.Timer
