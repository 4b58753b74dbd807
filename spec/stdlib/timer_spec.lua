-- torch.Timer, torch.tic and torch.toc.
local torch = require 'torch'

local function burn(seconds)
  local start = torch.tic()
  while torch.toc(start) < seconds do end -- luacheck: ignore
end

describe('torch.Timer', function()
  it('runs from the start, and tells three times', function()
    local timer = torch.Timer()
    burn(0.02)
    local time = timer:time()
    assert.is_true(time.real >= 0.02 and time.real < 5)
    assert.is_true(time.user >= 0 and time.sys >= 0)
    assert.is_true(time.user + time.sys <= time.real + 0.5)
  end)

  it('stands still when stopped and goes on when resumed', function()
    local timer = torch.Timer()
    assert.equal(timer, timer:stop())
    local stopped = timer:time().real
    burn(0.01)
    assert.equal(stopped, timer:time().real)
    assert.equal(timer, timer:resume())
    burn(0.01)
    assert.is_true(timer:time().real >= stopped + 0.01)
    assert.equal(timer, timer:stop())
    assert.equal(timer, timer:stop())
  end)

  it('goes back to zero', function()
    local timer = torch.Timer()
    burn(0.01)
    timer:stop()
    assert.equal(timer, timer:reset())
    assert.equal(0, timer:time().real)
    assert.matches('^torch.Timer %(stopped%): 0.0000 s real', tostring(timer))
  end)
end)

describe('torch.toc', function()
  it('needs what torch.tic returned', function()
    assert.is_true(torch.toc(torch.tic()) >= 0)
    assert.error_matches(function() torch.toc() end, 'expected what torch.tic returned, got nil')
  end)
end)
