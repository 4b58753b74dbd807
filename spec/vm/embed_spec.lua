-- Builds the C programs that embed Moonlet, with the compiler of the build, and runs them.
local c_program = require('spec.support.c_program')

if c_program.available then
  describe('embedding in C', function()
    c_program.tests('spec/vm/embed_test.c', it, assert)
    c_program.tests('spec/vm/embed_values_test.c', it, assert)

    it('works as the smallest example has it', function()
      local text, code = c_program.run('scripts/embed/hello.c')
      assert.equal('the norm of (3, 4) is 5\n', text)
      assert.equal(0, code)
    end)
  end)
end
