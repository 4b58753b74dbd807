-- Builds the C programs that embed Moonlet, with the compiler of the build, and runs them.
local program = require('spec.vm.program')

local compiler = os.getenv('CC') or 'cc'
local build = program.build
local lua = program.is_luajit and 'luajit' or 'lua5.4'
local sanitize = build:find('asan', 1, true) and '-fsanitize=address,undefined' or ''
local embedded = build:find('embed', 1, true)
local libraries = (embedded and '' or '-lz -ldl ') .. '-lm -pthread'
local has_compiler = select(2, program.shell(('command -v %s && pkg-config %s')
  :format(compiler, lua))) == 0

-- Compiles and runs a C file; gives its output and status.
local function run(file)
  local name = os.tmpname()
  local command = ('%s -std=c99 -pedantic -Wall -Wextra -Werror %s -Ivm %s -o %s %s/libmoonlet.a '
    .. '$(pkg-config --libs %s) %s'):format(compiler, sanitize, file, name, build, lua, libraries)
  local output, status = program.shell(command)
  if status == 0 then output, status = program.shell(name) end
  os.remove(name)
  return output, status
end

if has_compiler then
  describe('embedding in C', function()
    local output, status = run('spec/vm/embed_test.c')
    for line in output:gmatch('[^\n]+') do
      local what = line:match('ok (.*)')
      if what then it(what, function() assert.equal('ok ' .. what, line) end) end
    end

    it('ends well', function()
      assert.equal(0, status, output)
    end)

    it('works as the smallest example has it', function()
      local text, code = run('scripts/embed/hello.c')
      assert.equal('the norm of (3, 4) is 5\n', text)
      assert.equal(0, code)
    end)
  end)
end
