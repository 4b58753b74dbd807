-- The globals of Torch7's Lua, which only the program th has.
local program = require 'spec.vm.program'

-- What th prints for code.
local function th(code)
  return (program.shell(('%s/th -e %s'):format(program.build, program.quote(code))))
end

describe('th', function()
  it('has names of Lua 5.1 and of Lua 5.2', function()
    assert.equal('3\t1\t2\n', th('print(table.pack(1, nil, 3).n, table.unpack {1, 2})'))
    assert.equal('1\t2\n', th('print(unpack {1, 2})'))
    assert.equal('a\tb\n', th("local f = string.gfind('a b', '%a') print(f(), f())"))
    assert.equal('7\n', th('print(table.maxn {1, 2, [7] = 1})'))
    assert.equal('true\ttrue\ttrue\n',
      th('print(math.pow(2, 3) == 8, math.log10(1000) > 2.99, math.ldexp(0.5, 3) == 4)'))
    assert.equal('true\n', th('local m, e = math.frexp(-12) print(m == -0.75 and e == 4)'))
    assert.equal('5\t9\n',
      th("print(loadstring('return 5')(), setfenv(loadstring('return x'), {x = 9})())"))
    assert.equal('true\n', th('print(getfenv(1) == _G)'))
    assert.equal('3 -3 x 100%\n', th("print(string.format('%d %d %s 100%%', 3.5, -3.5, 'x'))"))
  end)

  it('writes functions, and reads them when asked to', function()
    assert.equal('7\tfalse\t7\t7\n', th([[
      local x, name = 7, os.tmpname()
      local file = torch.MemoryFile()
      file:writeObject(function() return x end)
      io.write(file:seek(1):readObject()(), '\t')
      torch.save(name, function() return x end)
      io.write(tostring((pcall(torch.load, name))), '\t')
      io.write(torch.load(name, {functions = true})(), '\t')
      local bytes = torch.serialize(function() return x end)
      io.write(torch.deserialize(bytes, {functions = true})(), '\n')
      os.remove(name)]]))
  end)

  it('has statuses and iterators of Lua 5.2', function()
    assert.equal('nil\texit\t3\n', th("print(os.execute('exit 3'))"))
    assert.equal('true\texit\t0\n', th("print(os.execute('true'))"))
    assert.equal('a\t1\n', th([[
      local o = setmetatable({}, {__pairs = function() return next, {a = 1} end})
      for k, v in pairs(o) do print(k, v) end]]))
  end)

  it('includes files that stand beside the script', function()
    local folder = os.tmpname()
    os.remove(folder)
    os.execute('mkdir -p ' .. folder .. '/sub')
    local function put(name, code)
      local file = assert(io.open(folder .. name, 'w'))
      file:write(code)
      file:close()
    end
    put('/main.lua', "print(include('sub/part.lua'))")
    put('/sub/part.lua', "return include('other.lua') + 1")
    put('/sub/other.lua', 'return 1')
    assert.equal('2\n', (program.shell(program.build .. '/th ' .. folder .. '/main.lua')))
    os.execute('rm -r ' .. folder)
  end)
end)
