local c_program = require('spec.support.c_program')

if c_program.available then
  describe('states and threads', function()
    c_program.tests('spec/vm/threads_test.c', it, assert)
  end)

  describe('workers', function()
    c_program.tests('spec/vm/worker_test.c', it, assert)
  end)
end
