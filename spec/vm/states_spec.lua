-- States that are opened and closed leave nothing behind: the memory of the process, after the
-- first hundred of them and after a thousand.
local program = require('spec.vm.program')

local compiler = os.getenv('CC') or 'cc'
local lua = program.is_luajit and 'luajit' or 'lua5.4'
local libraries = (program.build:find('embed', 1, true) and '' or '-lz -ldl ') .. '-lm -pthread'
local sanitized = program.build:find('asan', 1, true)
local linux = io.open('/proc/self/statm')
if linux then linux:close() end

-- Sanitizers keep freed memory for a while; they look for leaks themselves.
if linux and not sanitized and select(2, program.shell('command -v ' .. compiler)) == 0 then
  describe('a thousand states', function()
    it('opened and closed do not make the process grow', function()
      local name = os.tmpname()
      local output, status = program.shell(('%s -D_DEFAULT_SOURCE -O1 -Ivm -o %s '
        .. 'scripts/bench/states.c %s/libmoonlet.a $(pkg-config --cflags --libs %s) %s && %s 1000')
        :format(compiler, name, program.build, lua, libraries, name))
      os.remove(name)
      assert.equal(0, status, output)
      local grown = tonumber(output:match('(%-?%d+)%s*$'))
      assert.is_true(grown < 1000, ('900 states more left %d kB behind'):format(grown))
    end)
  end)
end
