-- Hostile calls and broken files, made at random for some seconds (MOONLET_FUZZ_SECONDS) from a
-- seed that is printed. It is the same each time, so that a change is judged by what it changed;
-- MOONLET_FUZZ_SEED=$(date +%s) looks further. Each runs in a process of its own, which is
-- ended when it hangs; what it was doing stands in a file.
local program = require 'spec.vm.program'

local seconds = tonumber(os.getenv('MOONLET_FUZZ_SECONDS')) or 5
local seed = tonumber(os.getenv('MOONLET_FUZZ_SEED')) or 20261122
local sanitized = program.build:find('asan', 1, true) and 'MOONLET_FUZZ_SANITIZED=1 ' or ''
local log = os.tmpname()

local function read_log()
  local file = io.open(log, 'rb')
  local text = file and file:read('*a') or ''
  if file then file:close() end
  return text
end

-- The last of the calls, which stand in the file in turns, each with its number.
local function last_call()
  local latest, text = 0, 'none was made'
  for number, call in read_log():gmatch('(%d+) ([^\n]*)\n') do
    if tonumber(number) > latest then latest, text = tonumber(number), call:gsub(' +$', '') end
  end
  return text
end

-- Runs spec/fuzz/<name>.lua; gives its output and whether it found nothing.
local function fuzz(name, time, more)
  time = math.floor(time)
  local patience = time + (sanitized ~= '' and 90 or 45)
  local limit = program.shell('command -v timeout') ~= '' and ('timeout -k 5 %d '):format(patience)
    or ''
  local output, status = program.shell(
    ('%sMOONLET_FUZZ_LOG=%s MOONLET_FUZZ_SEED=%d MOONLET_FUZZ_SECONDS=%g %s %s spec/fuzz/%s.lua %s')
      :format(sanitized, log, seed, time, limit, program.path, name, more or ''))
  return output, status == 0, status
end

describe('bad input', function()
  teardown(function() os.remove(log) end)

  it('never crashes or hangs a call, and leaves no memory behind', function()
    local output, fine, status = fuzz('calls', seconds)
    io.write('  ', (output:match('calls: %d+ made') or 'calls:'), ', seed ', seed, '\n')
    assert(fine, ('status %d, seed %d\n%s\nlast call: %s spec/fuzz/calls.lua -e %s'):format(status,
      seed, output, program.path, program.quote(last_call())))
  end)

  it('never crashes or hangs the reading of a file, and runs nothing', function()
    local output, fine, status = fuzz('files', math.max(2, seconds / 3))
    io.write('  ', (output:match('files: %d+ read') or 'files:'), ', seed ', seed, '\n')
    assert(fine, ('status %d, seed %d\n%s\nlast file: %s'):format(status, seed, output,
      (read_log():sub(1, 2000):gsub('[^%g ]', function(c) return ('\\%03d'):format(c:byte()) end))))
  end)

  it('can be made again from its text', function()
    local output, fine = fuzz('calls', 1, program.quote('-e') .. ' '
      .. program.quote("call(torch.add,given('add',1,{[1]={'int8','holes'}}),at(2,nan))"))
    assert.is_true(fine, output)
    output, fine = fuzz('calls', 1, program.quote('-e') .. ' '
      .. program.quote("torch.add(t('int8',{0,3}),nil)"))
    assert.is_false(fine)
    assert.is_truthy(output:find('add: cannot be called with', 1, true))
  end)
end)
