-- Builds C and C++ programs that embed Moonlet, with the compilers there are, and runs them.
local program = require('spec.vm.program')

local compiler = os.getenv('CC') or 'cc'
local build = program.build
local lua = program.is_luajit and 'luajit' or 'lua5.4'
local sanitize = build:find('asan', 1, true) and '-fsanitize=address,undefined' or ''
local embedded = build:find('embed', 1, true)

local libraries = (embedded and '' or '-lz -ldl ') .. '-lm -pthread'
local strict = '-g -pedantic -Wall -Wextra -Werror'

local c_program = { lua = lua }

local function has(command)
  return select(2, program.shell('command -v ' .. command)) == 0
end
c_program.available = has(('%s && pkg-config --exists %s'):format(compiler, lua))

local cpp = compiler:find('clang', 1, true) and 'clang++' or 'c++'
c_program.cpp = has(cpp) and cpp or nil

-- The other C compiler, where there is one and a second opinion makes sense.
local other = compiler:find('clang', 1, true) and 'gcc' or 'clang'
c_program.other = sanitize == '' and has(other) and other or nil

-- LuaJIT's machine code, and strings read by whole words, mean nothing to valgrind.
c_program.valgrind = sanitize == '' and not program.is_luajit and has('valgrind')

local shared_lua = ('$(pkg-config --libs %s)'):format(lua)

-- Compiles a file into `name`; gives the compiler's output and status. flags: more of the
-- compiler's; with: the compiler, C99's by default; link: instead of the shared Lua.
function c_program.compile(file, name, flags, with, link)
  return program.shell(('%s %s %s %s -Ivm %s -o %s %s/libmoonlet.a %s %s'):format(
    with or compiler .. ' -std=c99', strict, sanitize, flags or '', file, name, build,
    link or shared_lua, libraries))
end

-- Compiles and runs a file; gives its output and status.
function c_program.run(file, flags, with)
  local name = os.tmpname()
  local output, status = c_program.compile(file, name, flags, with)
  if status == 0 then output, status = program.shell(name) end
  os.remove(name)
  return output, status
end

-- Is the file correct C99 to the other compiler? Gives its output and status.
function c_program.check_with_other(file)
  return program.shell(('%s -std=c99 %s -Ivm -fsyntax-only %s'):format(other, strict, file))
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
