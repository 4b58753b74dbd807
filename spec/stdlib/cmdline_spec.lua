-- torch.CmdLine. Its exits and its output are caught, so that the tests go on.
local torch = require 'torch'

local function command()
  local cmd = torch.CmdLine()
  cmd:text('A test.')
  cmd:text()
  cmd:argument('input', 'a file')
  cmd:option('-epochs', 5, 'how often')
  cmd:option('-rate', 0.1, 'step')
  cmd:option('-name', 'run', 'its name')
  cmd:option('-quiet', false, 'say less')
  cmd:option('--save', true, 'keep it')
  return cmd
end

-- Runs fn; returns what it wrote and the status of os.exit, or nil when it did not exit.
local function caught(fn)
  local exit, out, err = os.exit, io.stdout, io.stderr
  local written, status = {}, nil
  local sink = {write = function(_, ...)
    for i = 1, select('#', ...) do written[#written + 1] = tostring((select(i, ...))) end
  end}
  os.exit = function(code) status = code; error('exit', 0) end -- luacheck: ignore
  io.stdout, io.stderr = sink, sink -- luacheck: ignore
  local ok, message = pcall(fn)
  os.exit, io.stdout, io.stderr = exit, out, err -- luacheck: ignore
  if not ok and message ~= 'exit' then error(message, 0) end
  return table.concat(written), status
end

describe('torch.CmdLine', function()
  it('gives defaults', function()
    assert.same({epochs = 5, rate = 0.1, name = 'run', quiet = false, save = true},
      command():default())
  end)

  it('parses options, flags and arguments', function()
    local params = command():parse {'-epochs', '7', 'data.t7', '-quiet', '--save', '-name', 'x y'}
    assert.same({epochs = 7, rate = 0.1, name = 'x y', quiet = true, save = false,
      input = 'data.t7'}, params)
    assert.equal(-1e-3, command():parse({'a', '-rate', '-1e-3'}).rate)
  end)

  it('converts arguments', function()
    local cmd = torch.CmdLine()
    cmd:argument('count', 'a number', 'number')
    assert.equal(12, cmd:parse({'12'}).count)
  end)

  it('prints help and ends', function()
    for _, word in ipairs {'-h', '-help', '--help'} do
      local text, status = caught(function() command():parse {[0] = 'prog', word} end)
      assert.equal(0, status)
      assert.equal(table.concat({
        'Usage: prog [options] <input>', 'A test.', '',
        '  <input> a file',
        '  -epochs how often [5]',
        '  -rate   step [0.1]',
        '  -name   its name [run]',
        '  -quiet  say less [false]',
        '  --save  keep it [true]', '',
      }, '\n'), text)
    end
  end)

  it('ends with status 1 and the reason at a mistake', function()
    for reason, words in pairs {
      ['invalid argument: %-nope'] = {'a', '-nope'},
      ['argument <input> is missing'] = {'-epochs', '3'},
      ['%-epochs: a value is missing'] = {'a', '-epochs'},
      ["%-epochs: expected a number, got 'many'"] = {'a', '-epochs', 'many'},
    } do
      local text, status = caught(function() command():parse(words) end)
      assert.equal(1, status)
      assert.matches('^error: ' .. reason, text)
      assert.matches('Usage: %[options%] <input>', text)
    end
  end)

  it('refuses options without a default or of another type', function()
    local cmd = torch.CmdLine()
    assert.error_matches(function() cmd:option('-x', nil, 'help') end, 'no default')
    assert.error_matches(function() cmd:option('-x', 5, 'help', 'string') end, 'not a string')
  end)

  it('names a run after what differs from the defaults', function()
    local cmd = command()
    local params = cmd:parse {'in', '-epochs', '7', '-quiet'}
    assert.equal('exp,input=in,epochs=7,quiet=t', cmd:string('exp', params, {}))
    assert.equal('exp,epochs=7,quiet=t', cmd:string('exp', params, {input = true}))
    assert.equal('exp,input=in,epochs=7,name=run,quiet=t',
      cmd:string('exp', params, {name = false}))
    local other = torch.CmdLine(';', ':')
    other:option('-a', 1, '')
    assert.equal('p;a:2', other:string('p', {a = 2}, {}))
    assert.equal('p', other:string('p', {a = 1}, {}))
  end)

  it('copies print to a log', function()
    local path = os.tmpname()
    local cmd = command()
    local real = print
    cmd:silent()
    cmd:addTime('run', '%Y ')
    cmd:log(path, {epochs = 7, quiet = true})
    print('hello', 5)
    rawset(_G, 'print', real)
    local file = assert(io.open(path))
    local text = file:read('*a')
    file:close()
    os.remove(path)
    assert.matches('epochs\t7\nquiet\tt\n', text)
    assert.matches('%d%d%d%d %[run%]: hello\t5\n$', text)
    assert.error_matches(function() cmd:log('/no/such/dir/log') end, 'cannot write the log')
  end)
end)
