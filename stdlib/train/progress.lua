--- A progress bar for training loops: one line redrawn on a terminal, plain lines in a pipe.
--
--   local bar = progress.new{total = 9000, label = 'epoch 2/5'}
--   bar:update(done, {loss = 0.12, accuracy = 0.965})
--   bar:finish()
local core = require 'torch.core'

local Progress = {}
Progress.__index = Progress

local REDRAW_SECONDS = 1 / 15
local MIN_BAR, MAX_BAR = 8, 30
local MAX_SKIP = 64

local function now()
  return (core.clock())
end

local function is_terminal()
  return core.isatty(1) and os and os.getenv('TERM') ~= 'dumb'
end

--- total: how many samples there are; label: what comes first on the line.
-- unit: 'samples'; seconds: in a pipe, a line each so many seconds (default: at the end only).
-- out, terminal, width: for other places than standard output.
local function new(options)
  if type(options) ~= 'table' or type(options.total) ~= 'number' then
    error('progress.new: expected a table with the number `total`', 2)
  end
  local self = setmetatable({
    total = options.total, label = options.label or '', unit = options.unit or 'samples',
    seconds = options.seconds, out = options.out or io.stdout, clock = options.clock or now,
    width = options.width or tonumber(os and os.getenv('COLUMNS')) or 80,
    done = 0, values = {}, drawn = 0, updates = 0, skip = 0,
  }, Progress)
  self.terminal = options.terminal
  if self.terminal == nil then self.terminal = is_terminal() end
  self.started = self.clock()
  self.last = self.started
  return self
end

-- ---------------------------------------------------------------------------------------------
-- Text.

local function seconds_text(seconds)
  seconds = math.floor(seconds + 0.5)
  local hours, minutes = math.floor(seconds / 3600), math.floor(seconds / 60) % 60
  if hours > 0 then return ('%d:%02d:%02d'):format(hours, minutes, seconds % 60) end
  return ('%d:%02d'):format(minutes, seconds % 60)
end

-- 45210 -> '45,210'.
local function grouped(number)
  local digits = ('%.0f'):format(number)
  local head = #digits % 3
  local out = digits:sub(head + 1):gsub('%d%d%d', ',%0')
  return (digits:sub(1, head) .. out):gsub('^,', '')
end

local function value_text(name, value)
  if type(value) ~= 'number' then
    local ok, number = pcall(function() return value:item() end)
    if not ok then return name .. ' ' .. tostring(value) end
    value = number
  end
  if name == 'accuracy' or name == 'acc' then return ('acc %.1f%%'):format(100 * value) end
  if name == 'loss' then return ('loss %.4f'):format(value) end
  return ('%s %.4g'):format(name, value)
end

-- loss, accuracy, then the others by name.
local function values_text(values)
  local names = {}
  for name in pairs(values) do names[#names + 1] = name end
  local rank = {loss = 1, accuracy = 2, acc = 2}
  table.sort(names, function(a, b)
    local ra, rb = rank[a] or 3, rank[b] or 3
    if ra ~= rb then return ra < rb end
    return a < b
  end)
  local parts = {}
  for i, name in ipairs(names) do parts[i] = value_text(name, values[name]) end
  return table.concat(parts, '  ')
end

local function join(parts)
  local out = {}
  for _, part in ipairs(parts) do
    if part ~= '' then out[#out + 1] = part end
  end
  return table.concat(out, '  ')
end

local function bar_text(fraction, width)
  local filled = math.floor(fraction * width)
  local head = filled < width and '>' or ''
  return '[' .. ('='):rep(filled) .. head .. (' '):rep(width - filled - #head) .. ']'
end

function Progress:rate(time)
  local seconds = time - self.started
  return seconds > 0 and self.done / seconds or 0
end

-- The line for the terminal. What there is no room for is left out: first the rate, then the bar.
function Progress:line(time, finished)
  local fraction = self.total > 0 and math.min(self.done / self.total, 1) or 1
  local rate = self:rate(time)
  local percent = ('%d%%'):format(math.floor(100 * fraction))
  local values = values_text(self.values)
  local rate_text = rate > 0 and grouped(rate) .. ' ' .. self.unit .. '/s' or ''
  local rest = ''
  if finished then
    rest = seconds_text(time - self.started)
  elseif rate > 0 then
    rest = seconds_text((self.total - self.done) / rate) .. ' left'
  end
  for _, tail in ipairs {join {percent, values, rate_text, rest}, join {percent, values, rest}} do
    -- One column stays free: some terminals wrap a full line. The brackets and blanks take four.
    local label = self.label ~= '' and self.label .. ' ' or ''
    local room = self.width - 1 - #label - #tail - 3
    if room >= MIN_BAR then
      return label .. bar_text(fraction, math.min(room, MAX_BAR)) .. ' ' .. tail
    end
  end
  return join({self.label, percent, values, rest}):sub(1, math.max(self.width - 1, 1))
end

-- The line for a pipe.
function Progress:plain(time, finished)
  local rate = self:rate(time)
  local percent = ''
  if not finished and self.total > 0 then
    percent = ('%d%%'):format(math.floor(100 * math.min(self.done / self.total, 1)))
  end
  return join {self.label, percent, values_text(self.values),
    rate > 0 and grouped(rate) .. ' ' .. self.unit .. '/s' or '', seconds_text(time - self.started)}
end

-- ---------------------------------------------------------------------------------------------

function Progress:draw(time, finished)
  local line = self:line(time, finished)
  -- Blanks wipe what a longer line has left.
  self.out:write('\r', line, (' '):rep(self.drawn - #line))
  self.out:flush()
  self.drawn = #line
end

-- Asking for the time costs more than a fast training step is worth, so that a few updates go by
-- between two looks at the clock: as many as fit well into the time between two lines.
function Progress:is_due(time, wanted)
  if time - self.last < wanted then
    self.skip = math.min(math.floor(self.updates / 4), MAX_SKIP)
    return false
  end
  self.last, self.updates = time, 0
  return true
end

--- Tells how many samples are done, and the values to show (a table; nil keeps the last ones).
function Progress:update(done, values)
  self.done = done
  if values then self.values = values end
  self.updates = self.updates + 1
  if self.skip > 0 then
    self.skip = self.skip - 1
    return
  end
  if not self.terminal and not self.seconds then return end
  local time = self.clock()
  local wanted = self.terminal and (self.drawn > 0 and REDRAW_SECONDS or 0) or self.seconds
  if not self:is_due(time, wanted) then return end
  if self.terminal then
    self:draw(time, false)
  else
    self.out:write(self:plain(time, false), '\n')
    self.out:flush()
  end
end

--- Takes the line off the terminal, so that a message can be printed; the next update draws anew.
function Progress:clear()
  if not self.terminal or self.drawn == 0 then return end
  self.out:write('\r', (' '):rep(self.drawn), '\r')
  self.out:flush()
  self.drawn = 0
end

--- All is done: the last values and the time it took, on a line that stays.
function Progress:finish(values)
  self.done = self.total
  if values then self.values = values end
  local time = self.clock()
  if self.terminal then
    self:draw(time, true)
    self.out:write('\n')
  else
    self.out:write(self:plain(time, true), '\n')
  end
  self.out:flush()
  self.drawn = 0
end

return {new = new}
