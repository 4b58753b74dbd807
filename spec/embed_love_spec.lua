-- The LÖVE game of scripts/embed/love, played by nobody on a screen that does not exist. LÖVE
-- brings LuaJIT, so it is played by that build's specs.
local program = require 'spec.vm.program'

local FRAMES = 2400       -- 40 seconds
local BETTER = 0.4        -- by so much more of the moths must be in the light at the end
local WITHIN = 0.99       -- of all frames keep the budget of learning; none may take twice as long
local BUDGET = 4          -- milliseconds

local function has(name)
  return select(2, program.shell('command -v ' .. name)) == 0
end

local function size_of(path)
  local file = io.open(path, 'rb')
  if not file then return 0, '' end
  local bytes = file:read('*a')
  file:close()
  return #bytes, bytes
end

describe('scripts/embed/love', function()
  if not program.is_luajit or program.build:find('asan', 1, true) then return end
  if not has('love') or not has('xvfb-run') then
    pending('is not played: love and xvfb are not installed (scripts/setup --embed)')
    return
  end

  local picture, numbers = os.tmpname(), os.tmpname()
  local values = {}
  local output, status = program.shell(("MOONLET_BUILD=$(realpath %s) timeout 240 xvfb-run -a "
    .. "-s '-screen 0 1280x800x24' love scripts/embed/love --seed 1 --frames %d --screenshot %s "
    .. '--report %s'):format(program.build, FRAMES, picture, numbers))
  for line in io.lines(numbers) do
    local name, value = line:match('^(%w+)=([%d.]+)')
    if name then values[name] = tonumber(value) end
  end
  local bytes, image = size_of(picture)
  os.remove(picture)
  os.remove(numbers)

  it('ends well', function()
    assert.equal(0, status, output)
    assert.equal(FRAMES, values.frames)
  end)

  it('has moths that learn', function()
    assert.is_true(values.rounds > 20)
    assert.is_true(values.first < 0.3, 'at first: ' .. values.first)
    assert.is_true(values.last > values.first + BETTER,
      ('%g at first, %g in the end'):format(values.first, values.last))
  end)

  it('keeps to the time that learning may take of a frame', function()
    assert.is_true(values.within >= WITHIN, 'frames within the budget: ' .. values.within)
    assert.is_true(values.longest < 2 * BUDGET, 'the longest: ' .. values.longest .. ' ms')
  end)

  it('writes a picture of the window', function()
    assert.equal('\137PNG\r\n\26\n', image:sub(1, 8))
    assert.is_true(bytes > 20000)
    assert.equal(960, image:byte(19) * 256 + image:byte(20))
    assert.equal(540, image:byte(23) * 256 + image:byte(24))
  end)

  it('tells what is wrong with its options', function()
    local text, code = program.shell("xvfb-run -a timeout 60 love scripts/embed/love --frames 1 "
      .. '--seed many')
    assert.is_true(code ~= 0)
    assert.matches('%-%-seed wants a number', text)
  end)

  it('is shown in the README as it is', function()
    local shown = size_of('scripts/embed/love/screenshot.png')
    assert.is_true(shown > 20000 and shown < 150000)
  end)
end)
