-- Small things that old programs ask torch for.
local torch = require 'torch'
local program = require 'spec.vm.program'

describe('torch.isatty', function()
  it('takes a descriptor or a file', function()
    assert.is_false(torch.isatty(io.tmpfile()))
    assert.is_false(torch.isatty(-1))
    assert.is_false(torch.isatty(12345))
    local file = io.tmpfile()
    file:close()
    assert.is_false(torch.isatty(file))
    assert.error_matches(function() torch.isatty('x') end, 'FILE')
    assert.error_matches(function() torch.isatty({}) end, 'FILE')
    assert.equal('false\tfalse\n',
      (program.run("-e 'print(torch.isatty(io.stdout), torch.isatty(1))'")))
  end)
end)

describe('files of packages', function()
  it('are found and run', function()
    assert.is_string(torch.packageLuaPath())
    assert.is_nil(torch.packageLuaPath('no.such.package'))
    local folder = os.tmpname()
    os.remove(folder)
    os.execute('mkdir -p ' .. folder .. '/pkg')
    for name, code in pairs {init = 'return {}', part = 'return 7'} do
      local file = assert(io.open(('%s/pkg/%s.lua'):format(folder, name), 'w'))
      file:write(code)
      file:close()
    end
    local path = package.path
    package.path = folder .. '/?/init.lua;' .. path
    local found, value = torch.packageLuaPath('pkg'), torch.include('pkg', 'part.lua')
    package.path = path
    os.execute('rm -r ' .. folder)
    assert.equal(folder .. '/pkg', found)
    assert.equal(7, value)
    assert.error_matches(function() torch.include('no_package', 'x.lua') end, 'no file x.lua')
  end)
end)

describe('switches', function()
  it('of Torch7 answer', function()
    assert.is_true(torch.getnumcores() >= 1)
    torch.setheaptracking(true)
    torch.updatethreadlocals()
    torch.updateerrorhandlers()
  end)
end)
