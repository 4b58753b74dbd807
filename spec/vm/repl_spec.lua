local program = require('spec.vm.program')

-- What the prompt answers to lines that come through a pipe, without banner and prompts.
local function answers(...)
  local output, status = program.run('-i', table.concat({ ... }, '\n') .. '\n')
  assert.equal(0, status)
  local text = output:gsub('^Moonlet[^\n]*\n', ''):gsub('>> ', ''):gsub('> ', '')
  return text
end

describe('the prompt', function()
  it('greets with version and virtual machine', function()
    local output = program.run('-i', '')
    assert.matches('^Moonlet %d+%.%d+%.%d+ %(Lua[^\n]*help', output)
  end)

  it('prints values of expressions', function()
    assert.equal('3\n', answers('1 + 2'))
    assert.equal('3\n', answers('= 1 + 2'))
    assert.equal('a\nnil\ntrue\n', answers('"a", nil, true'))
    assert.equal('nil\n', answers('nil'))
  end)

  it('prints nothing for statements, calls without value, and after a semicolon', function()
    assert.equal('', answers('x = 3'))
    assert.equal('', answers('1 + 2;'))
    assert.equal('q\n', answers('print("q")'))
  end)

  it('keeps globals from line to line', function()
    assert.equal('9\n', answers('x = 3', 'function square(y) return y * y end', 'square(x)'))
  end)

  it('reads chunks of several lines', function()
    assert.equal('1\n2\n', answers('for i = 1, 2 do', 'print(i)', 'end'))
    assert.equal('3\n', answers('1 +', '2'))
    assert.equal('one\ntwo\n', answers('[[one', 'two]]'))
  end)

  it('goes on after errors', function()
    local text = answers('error("first")', 'x y', 'error({})', 'nil + 1', '"unfinished', '7')
    assert.matches('stdin:1: first\n', text)
    assert.matches("stdin:1: .-near 'y'\n", text)
    assert.matches('table value', text)
    assert.matches('arithmetic', text)
    assert.matches('unfinished string', text)
    assert.matches('7\n$', text)
  end)

  it('shows where an error came from only when that says something', function()
    assert.not_matches('traceback', answers('error("here")'))
    assert.matches('traceback', answers('function f() error("in f") end', 'f()'))
  end)

  it('says once that locals do not last', function()
    local _, count = answers('local a = 1', 'local b = 2'):gsub('a local ends', '')
    assert.equal(1, count)
  end)

  it('prints tables field by field', function()
    assert.equal('{\n  1 : 5\n  a : 2\n}\n', answers('{5, a = 2}'))
  end)

  it('helps', function()
    assert.matches('Ctrl%-D', answers('help()'))
  end)

  it('leaves at exit, or at the end of input', function()
    assert.equal('1\n', answers('1', 'exit', '2'))
    assert.equal('1\n', answers('1', 'quit', '2'))
  end)

  it('comes after the script with -i, also when the script fails', function()
    local output, status = program.run([[-i -e 'x = 5 error("early")']], 'x\n')
    assert.equal(0, status)
    assert.matches('early', output)
    assert.matches('> 5\n', output)
  end)
end)
