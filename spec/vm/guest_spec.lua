-- Moonlet as a guest of other Luas: stock interpreters, and a C program that is as awkward a host
-- as one can be. guest_work.lua is what they let it do.
local program = require('spec.vm.program')

local lua = os.getenv('MOONLET_LUA') or (program.is_luajit and 'luajit' or 'lua5.4')
local compiler = os.getenv('CC') or 'cc'
local sanitized = program.build:find('asan', 1, true) ~= nil
local module = program.build .. '/moonlet.so'
local WORK = 'spec/vm/guest_work.lua'

local function has(command)
  return select(2, program.shell('command -v ' .. command)) == 0
end

local function in_scratch(action)
  local scratch = os.tmpname()
  local output, status = action(scratch)
  os.remove(scratch)
  return output, status
end

describe('a guest of a stock ' .. lua, function()
  -- What is sanitized can only be loaded by a program that is sanitized too.
  if sanitized or not has(lua) then return end

  it('leaves everything as it was, and has threads only when asked', function()
    assert.equal('ok\n', (in_scratch(function(scratch)
      return program.shell(('%s spec/vm/guest_footprint.lua %s %s %s'):format(lua, program.build,
        WORK, scratch))
    end)))
  end)

  it('that differences would be noticed', function()
    local output = in_scratch(function(scratch)
      return program.shell(([[%s -e '
        local real = require
        function require(name)
          string.added, leaked = print, 1
          return real(name)
        end
        package.loaded.thing = loadfile
        loadfile = function(path)
          print "printed"
          return package.loaded.thing(path)
        end' spec/vm/guest_footprint.lua %s %s %s]]):format(lua, program.build, WORK, scratch))
    end)
    assert.matches('loading\t%S*string.added\tnil', output)
    assert.matches('loading\t_G.leaked\tnil\t1', output)
    assert.matches('\nprinted\n', output)
  end)
end)

describe('a guest of a program in C', function()
  if not has(compiler) or not has('pkg-config') then return end

  local build = ('%s -std=gnu11 -Wall -Wextra -Werror -g %s spec/vm/guest_host.c -o %%s '
    .. '$(pkg-config --cflags --libs %s) -ldl -lm'):format(compiler,
    sanitized and '-fsanitize=address,undefined' or '',
    program.is_luajit and 'luajit' or 'lua5.4')
  local amount = sanitized and '20 24' or '200 8'
  local output, status = in_scratch(function(host)
    local text, code = program.shell(build:format(host))
    if code ~= 0 then return text, code end
    return in_scratch(function(scratch)
      return program.shell(('%s $(realpath %s) %s %s %s'):format(host, module, WORK, scratch,
        amount))
    end)
  end)

  for line in output:gmatch('[^\n]+') do
    local what = line:match('^not ok (.*)') or line:match('^ok (.*)')
    if what then
      it(what, function() assert.equal('ok ' .. what, line, output) end)
    end
  end
  it('ends well', function() assert.equal(0, status, output) end)
end)
