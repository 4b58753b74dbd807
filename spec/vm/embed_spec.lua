local c_program = require('spec.support.c_program')
local program = require('spec.vm.program')
local run = c_program.run

local function checks(title, file)
  describe(title, function() c_program.tests(file, it, assert) end)
end

describe('a state that closes', function()
  it('bears finalizers that use tensors', function()
    local text, code = program.run('spec/vm/closing.lua')
    assert.equal('tried\n', text)
    assert.equal(0, code)
  end)
end)

if c_program.available then
  checks('embedding in C', 'spec/vm/embed_test.c')
  checks('values between C and Lua', 'spec/vm/embed_values_test.c')
  checks('a host and its states', 'spec/vm/embed_guard_test.c')

  if c_program.valgrind then
    it('leaves nothing for valgrind to find', function()
      local name = os.tmpname()
      assert.equal(0, select(2, c_program.compile('spec/vm/embed_values_test.c', name)))
      local text, code = program.shell('valgrind -q --error-exitcode=9 --leak-check=full '
        .. '--errors-for-leak-kinds=definite,indirect,possible ' .. name)
      os.remove(name)
      assert.equal(0, code, text)
    end)
  end

  -- Lua's own requests fail, too, where it takes them from the C library: so it is linked in whole.
  describe('memory that runs out', function()
    local name = os.tmpname()
    local link = ('$(pkg-config --variable=libdir %s)/lib%s.a'):format(c_program.lua,
      program.is_luajit and 'luajit-5.1' or 'lua5.4')
    for word in ('malloc calloc realloc aligned_alloc posix_memalign free'):gmatch('%S+') do
      link = link .. ' -Wl,--wrap=' .. word
    end
    local output, status = c_program.compile('spec/vm/embed_faults.c', name, nil, nil, link)
    local compiled = status == 0

    it('can be tried', function()
      assert.is_true(compiled, output)
    end)

    -- Some of all requests: all of them take minutes. embed_faults.c tells how to run those.
    local most = program.is_luajit and 1500 or 26000
    for _, arguments in ipairs {
      'warm once 1 %d ' .. math.floor(most / 30), 'warm on 2 %d ' .. math.floor(most / 20),
      'cold once 3 %d ' .. math.floor(most / 15), 'own once 1 34000 900', 'own on 4 34000 1500',
      'operations 5 40 15 ""'} do
      it('is an error and no leak: ' .. arguments:gsub('%%d', most), function()
        local text, code = program.shell(name .. ' ' .. arguments:gsub('%%d', most))
        assert.is_true(code == 0 and text:find('^ok') ~= nil or text:find('\nok ') ~= nil, text)
        assert.equal(0, code, text)
      end)
    end

    it('leaves nothing to be tried', function()
      assert.is_true(os.remove(name))
    end)
  end)

  describe('examples of embedding', function()
    it('has a smallest one', function()
      local text, code = run('scripts/embed/hello.c')
      assert.equal('the norm of (3, 4) is 5\n', text)
      assert.equal(0, code)
    end)

    it('has a host with a function and a shared tensor', function()
      local text, code = run('scripts/embed/host.c')
      assert.equal('80.38 0 280.38, lowest of 3: 0\n', text)
      assert.equal(0, code)
    end)

    it('has a loop of frames in which a network learns', function()
      local text, code = run('scripts/embed/frame.c')
      local first, last = text:match('^missed by (%S+) at first, by (%S+) at last\n$')
      assert.is_true(first ~= nil and tonumber(last) < tonumber(first) / 3, text)
      assert.equal(0, code)
    end)

    it('has a simulation that goes on while a worker learns', function()
      local text, code = run('scripts/embed/worker.c')
      local first, last = text:match('^from (%S+) to (%S+) with 65 weights, .*: yes\n$')
      assert.is_true(first ~= nil and tonumber(last) < tonumber(first) / 10, text)
      assert.equal(0, code)
    end)

    if c_program.cpp then
      it('has a host in C++', function()
        local text, code = run('scripts/embed/host.cpp', '', c_program.cpp .. ' -std=c++17')
        assert.equal('3.75 with the lamp\nweigh.lua:1: item: there is no item 7\n', text)
        assert.equal(0, code)
      end)
    end

    if c_program.other then
      it('compiles with ' .. c_program.other .. ', too', function()
        for _, file in ipairs {'hello.c', 'host.c', 'frame.c', 'worker.c'} do
          local text, code = c_program.check_with_other('scripts/embed/' .. file)
          assert.equal(0, code, text)
        end
      end)
    end
  end)
end
