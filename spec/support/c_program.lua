-- Builds C programs that embed Moonlet, with the compiler of the build, and runs them.
local program = require('spec.vm.program')

local compiler = os.getenv('CC') or 'cc'
local build = program.build
local lua = program.is_luajit and 'luajit' or 'lua5.4'
local sanitize = build:find('asan', 1, true) and '-fsanitize=address,undefined' or ''
local embedded = build:find('embed', 1, true)

local tools = ('command -v %s && pkg-config %s'):format(compiler, lua)
local c_program = { available = select(2, program.shell(tools)) == 0 }

-- Compiles and runs a C file; gives its output and status. flags: more of the compiler's.
function c_program.run(file, flags)
  local name = os.tmpname()
  local libraries = (embedded and '' or '-lz -ldl ') .. '-lm -pthread'
  local command = ('%s -std=c99 -pedantic -Wall -Wextra -Werror %s %s -Ivm %s -o %s '
    .. '%s/libmoonlet.a $(pkg-config --libs %s) %s'):format(compiler, sanitize, flags or '', file,
      name, build, lua, libraries)
  local output, status = program.shell(command)
  if status == 0 then output, status = program.shell(name) end
  os.remove(name)
  return output, status
end

-- Each line `ok WHAT` or `not ok WHAT` of a test written in C becomes a test: call it inside of a
-- describe, with its `it` and `assert`.
function c_program.tests(file, it, assert, flags)
  local output, status = c_program.run(file, flags)
  for line in output:gmatch('[^\n]+') do
    local what = line:match('ok (.*)')
    if what then it(what, function() assert.equal('ok ' .. what, line, output) end) end
  end

  it('ends well', function() assert.equal(0, status, output) end)
end

return c_program
