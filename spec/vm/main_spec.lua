local program = require('spec.vm.program')
local run, shell, script = program.run, program.shell, program.script

describe('the command line', function()
  it('runs code', function()
    local output, status = run([[-e 'print(1 + 1)' -e 'x = 3' -e 'print(x)']])
    assert.equal('2\n3\n', output)
    assert.equal(0, status)
  end)

  it('runs a script with arguments', function()
    local name = script('print(arg[0] == ..., select("#", ...), arg[1], arg[2], arg[-1] ~= nil)')
    local output, status = run(name .. [[ one 'two words']])
    os.remove(name)
    assert.equal('false\t2\tone\ttwo words\ttrue\n', output)
    assert.equal(0, status)
  end)

  it('passes over a first line with #!', function()
    local name = script('#!/usr/bin/env moonlet\nprint("ran")\n')
    assert.equal('ran\n', (run(name)))
    os.remove(name)
  end)

  it('runs a script on standard input', function()
    assert.equal('hello\n', (run('', 'print("hello")')))
    assert.equal('a\tb\n', (run('- a b', 'print(...)')))
  end)

  it('requires a library and makes it a global', function()
    assert.equal('function\n', (run([[-l moonlet.gzip -e 'print(type(_G["moonlet.gzip"].gzip))']])))
    assert.equal('table\n', (run([[-ltorch -e 'print(type(rawget(_G, "torch")))']])))
  end)

  it('carries out -l and -e in their order, then the script', function()
    local name = script('print(x)')
    assert.equal('1\n2\n', (run([[-e 'x = 1' -e 'print(x) x = 2' ]] .. name)))
    os.remove(name)
  end)

  it('ends its options at --', function()
    local _, status = run('-- -e')
    assert.equal(1, status)
  end)

  it('tells its version and its options', function()
    for _, option in ipairs({ '--version', '-v' }) do
      local output, status = run(option)
      assert.matches('^Moonlet %d+%.%d+%.%d+ %(Lua', output)
      assert.equal(0, status)
    end
    for _, option in ipairs({ '-h', '--help' }) do
      local output, status = run(option)
      assert.matches('^usage: moonlet ', output)
      assert.matches('exit status', output)
      assert.equal(0, status)
    end
  end)

  it('is called th as well', function()
    local output, status = shell(program.build .. '/th -h')
    assert.matches('^usage: th ', output)
    assert.equal(0, status)
    output, status = shell(program.build .. [[/th -e 'print(torch.getdefaulttensortype())']])
    assert.equal('torch.DoubleTensor\n', output)
    assert.equal(0, status)
  end)
end)

describe('the exit status', function()
  it('is 2 for a wrong command line', function()
    for _, arguments in ipairs({ '-x', '-e', '-l', '--nonsense' }) do
      local output, status = run(arguments)
      assert.equal(2, status)
      assert.matches('^moonlet: ', output)
    end
  end)

  it('is 1 for an error, which names the line and how it came there', function()
    local name = script('local function inner()\n  error("went wrong")\nend\ninner()\n')
    local output, status = run(name)
    os.remove(name)
    assert.equal(1, status)
    assert.equal('moonlet: ' .. name .. ':2: went wrong\n', output:match('^.-\n'))
    assert.matches('stack traceback:.*:4:', output)
  end)

  it('is 1 for source that does not compile, a missing script and a missing library', function()
    local output, status = run([[-e 'x = ']])
    assert.equal(1, status)
    assert.matches('^moonlet: %(command line%):1: ', output)
    output, status = run('/nonexistent/x.lua')
    assert.equal(1, status)
    assert.matches('^moonlet: cannot open /nonexistent/x.lua', output)
    output, status = run('-l no_such_library')
    assert.equal(1, status)
    assert.matches("module 'no_such_library' not found", output)
  end)

  it('is 1 for error values of any kind', function()
    local output, status = run([[-e 'error({})']])
    assert.equal(1, status)
    assert.equal('moonlet: (the error is a table value)\n', output)
    output = run([[-e 'error(setmetatable({}, {__tostring = function() return "told" end}))']])
    assert.matches('^moonlet: told\n', output)
  end)

  it('is 1 when output cannot be written', function()
    local output, status = shell(program.path .. [[ -e 'print(1)' > /dev/full]])
    assert.equal(1, status)
    assert.matches('cannot write to standard output', output)
  end)

  it('is what os.exit says', function()
    local _, status = run([[-e 'os.exit(7)']])
    assert.equal(7, status)
  end)
end)

-- Starts code which says that it runs, then sends it `count` times the signal of Ctrl-C.
local function interrupt(code, count)
  local name = os.tmpname()
  -- A shell without job control lets what runs in the background ignore SIGINT, hence `trap`.
  local output, status = shell(([[sh -c 'trap - INT; exec %s -e "$1"' sh %s > %s 2>&1 & pid=$!
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
      if [ -s %s ]; then break; fi; sleep 0.2; done
    for i in %s; do sleep 0.3; kill -INT $pid 2>/dev/null; done; wait $pid; status=$?
    cat %s; exit $status]]):format(program.path, program.quote(code), name, name,
    ('1 '):rep(count), name):gsub('^(.*)exit %$status$', '%1(exit $status)'))
  os.remove(name)
  return output, status
end

describe('Ctrl-C', function()
  local start = 'io.stdout:write("runs\\n") io.stdout:flush() '

  it('is an error in the script', function()
    local output, status = interrupt(start .. [[
      local busy = setmetatable({}, { __index = function(_, key) return os.getenv(key) end })
      local ok, message = pcall(function() while true do local _ = busy.HOME end end)
      print(ok, message)]], 1)
    assert.equal(0, status)
    assert.matches('runs\nfalse\t.*interrupted', output)
  end)

  it('ends the script with status 130', function()
    local output, status = interrupt(start .. 'while true do os.getenv("HOME") end', 1)
    assert.equal(130, status)
    assert.matches('interrupted', output)
  end)

  it('ends at the second time what does not notice the first', function()
    local _, status = interrupt(start .. 'local n = 0 while true do n = n + 1 end', 2)
    assert.equal(130, status)
  end)
end)
