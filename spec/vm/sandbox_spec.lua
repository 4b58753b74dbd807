-- Limits and sandboxes: builds the C programs beside this file and runs them.
-- MOONLET_SANDBOX_ALL=1 runs all of what is otherwise a selection.
local c_program = require('spec.support.c_program')
local program = require('spec.vm.program')

local everything = os.getenv('MOONLET_SANDBOX_ALL')

-- Compiles spec/vm/NAME.c; gives the program's path, or nil and what the compiler says.
local function compile(name)
  local path = os.tmpname()
  local flags = ('$(pkg-config --cflags %s)'):format(c_program.lua)
  local output, status = c_program.compile(('spec/vm/%s.c'):format(name), path, flags)
  if status == 0 then return path end
  os.remove(path)
  return nil, output
end

-- One test for each line `ok WHAT` or `not ok WHAT`, and one for the end.
local function report(title, output, status)
  describe(title, function()
    for line in output:gmatch('[^\n]+') do
      local what = line:match('^ok (.*)') or line:match('^not ok (.*)')
      if what then it(what, function() assert.equal('ok ' .. what, line, output) end) end
    end

    it('ends well', function()
      assert.equal(0, status, output)
    end)
  end)
end

local function checks(title, name, arguments, environment)
  local path, why = compile(name)
  if not path then return report(title, why, 1) end
  report(title, program.shell((environment or '') .. path .. ' ' .. (arguments or '')))
  os.remove(path)
end

if c_program.available then
  checks('limits and states', 'sandbox_states_test', everything and '60')
  -- Lua 5.4 forgets what a finalizer would have freed when its call finds neither memory nor stack,
  -- which hostile programs see to: there leaks are no failure.
  checks('programs made at random', 'sandbox_fuzz_test', (everything and '60 ' or '3 ')
    .. (os.getenv('MOONLET_FUZZ_SEED') or '20261128'),
    not program.is_luajit and 'ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 ' or nil)
  checks("the host's allocator", 'sandbox_alloc_test', everything and '1 2000')
  for _, cases in ipairs {'limits', 'tensors', 'escapes'} do
    checks('in a sandbox: ' .. cases, 'sandbox_cases', ('spec/vm/sandbox/%s.cases'):format(cases))
  end

  describe('functions in C within reach of a sandbox', function()
    it('are those that were decided upon', function()
      local path, why = compile('sandbox_walk')
      assert.is_true(path ~= nil, why)
      local output, status = program.shell(path .. ' spec/vm/sandbox/walk.lua')
      os.remove(path)
      assert.equal(0, status, output)
      local file = assert(io.open(('spec/vm/sandbox/functions-%s.txt'):format(c_program.lua)))
      local wanted = file:read('*a')
      file:close()
      local known = {}
      for line in wanted:gmatch('[^\n]+') do known[line] = true end
      for line in output:gmatch('[^\n]+') do
        assert.is_true(known[line], 'new in the sandbox: ' .. line)
      end
    end)
  end)
end
