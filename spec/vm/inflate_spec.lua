-- Builds the C test of vm/inflate.c, with the sanitizers where the build has them, and runs it.
local program = require('spec.vm.program')

local compiler = os.getenv('CC') or 'cc'
local sanitize = program.build:find('asan', 1, true) and '-fsanitize=address,undefined' or ''

if select(2, program.shell('command -v ' .. compiler)) == 0 then
  describe('inflate in C', function()
    local name = os.tmpname()
    local output, status = program.shell(('%s -std=c11 -O1 -Wall -Wextra -Werror %s -Ivm -o %s '
      .. 'spec/vm/inflate_test.c vm/inflate.c && %s'):format(compiler, sanitize, name, name))
    os.remove(name)
    for line in output:gmatch('[^\n]+') do
      local what = line:match('ok (.*)')
      if what then it(what, function() assert.equal('ok ' .. what, line) end) end
    end

    it('ends well', function() assert.equal(0, status, output) end)
  end)
end
