-- The progress bar, on a made-up clock and a made-up terminal.
local progress = require 'train.progress'

local function screen()
  local parts = {}
  return {
    write = function(_, ...)
      for i = 1, select('#', ...) do parts[#parts + 1] = (select(i, ...)) end
    end,
    flush = function() end,
    text = function() return table.concat(parts) end,
  }
end

-- A bar whose clock moves by `step` seconds at each look.
local function make(options, step)
  local out, time = screen(), 0
  options.out = out
  options.clock = function()
    time = time + step
    return time
  end
  options.total = options.total or 1000
  options.width = options.width or 80
  return progress.new(options), out
end

describe('a progress bar on a terminal', function()
  it('redraws one line', function()
    local bar, out = make({label = 'epoch 2/5', terminal = true}, 1)
    bar:update(500, {loss = 0.12344, accuracy = 0.965})
    assert.equal('\repoch 2/5 [======>      ] 50%  loss 0.1234  acc 96.5%  500 samples/s  '
      .. '0:01 left', out:text())
    bar:finish {loss = 0.5}
    assert.matches('\repoch 2/5 %[=+%] 100%%  loss 0.5000  500 samples/s  0:02 *\n$', out:text())
  end)

  it('fits any width', function()
    for width = 1, 120 do
      local bar, out = make({label = 'epoch 2/5', terminal = true, width = width}, 0.37)
      bar:update(123, {loss = 0.1, accuracy = 0.5, norm = 12345.678})
      assert.is_true(#out:text() <= math.max(width, 2), 'width ' .. width)
    end
  end)

  it('redraws at most 15 times a second, fast or slow', function()
    for _, per_second in ipairs {50, 1000, 100000} do
      local time, out = 0, screen()
      local bar = progress.new {total = 10 * per_second, terminal = true, out = out,
        clock = function() return time end}
      for i = 1, 10 * per_second do
        time = i / per_second
        bar:update(i, {loss = 1})
      end
      local _, draws = out:text():gsub('\r', '')
      assert.is_true(draws <= 152 and draws >= 60, draws .. ' lines in 10 seconds')
    end
  end)

  it('wipes what a longer line left, and steps aside for messages', function()
    local bar, out = make({terminal = true}, 1)
    bar:update(1, {loss = 1, x = 123456})
    bar:update(900, {})
    local first, second = out:text():match('^\r([^\r]*)\r([^\r]*)$')
    assert.is_true(#second >= #first)
    bar:clear()
    assert.matches('\r +\r$', out:text())
  end)

  it('groups digits and tells hours', function()
    local bar, out = make({terminal = true, total = 100000000}, 1)
    bar:update(45210, {})
    assert.matches(' 45,210 samples/s  36:51 left', out:text())
    bar.done = 10000
    assert.matches(' 10,000 samples/s  2:46:39 left', bar:line(2, false))
    bar.done = 999
    assert.matches(' 999 samples/s', bar:line(2, true))
    bar.done = 1234567
    assert.matches(' 1,234,567 samples/s', bar:line(2, true))
  end)
end)

describe('a progress bar in a pipe', function()
  it('prints one line at the end', function()
    local bar, out = make({label = 'epoch 1/5', terminal = false}, 2)
    for i = 1, 1000, 100 do bar:update(i, {loss = 0.25, accuracy = 0.5}) end
    assert.equal('', out:text())
    bar:finish()
    assert.equal('epoch 1/5  loss 0.2500  acc 50.0%  500 samples/s  0:02\n', out:text())
  end)

  it('prints a line each so many seconds if asked to', function()
    local bar, out = make({terminal = false, seconds = 10}, 3)
    for i = 1, 20 do bar:update(i * 50, {loss = 1}) end
    local _, lines = out:text():gsub('\n', '')
    assert.is_true(lines >= 2 and lines <= 6)
    assert.matches('^%d+%%  loss 1.0000', out:text())
  end)
end)

describe('progress.new', function()
  it('needs a total', function()
    assert.error_matches(function() progress.new {} end, 'expected a table with the number `total`')
    assert.error_matches(function() progress.new(5) end, 'expected a table')
  end)
end)
