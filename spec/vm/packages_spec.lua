local program = require('spec.vm.program')
local packages = require('moonlet.packages')

local function lines_of(code, environment)
  local command = (environment or '') .. ' ' .. program.path .. ' -e ' .. program.quote(code)
  return (program.shell(command))
end

describe('moonlet.packages', function()
  it('lists modules by prefix, sorted', function()
    local names = packages.list('torch')
    assert.is_true(#names > 3)
    for i, name in ipairs(names) do
      assert.equal('torch', name:sub(1, 5))
      assert.is_true(i == 1 or names[i - 1] < name)
    end
    assert.same({}, packages.list('no such prefix'))
  end)

  it('knows whether there is a module', function()
    assert.is_true(packages.has('torch.class'))
    assert.is_true(packages.has('torch.core'))
    assert.is_false(packages.has('torch.nothing'))
  end)

  it('reads sources and data files', function()
    -- The embedded build has neither comments nor the digits.
    local embedded = (os.getenv('MOONLET_BUILD') or ''):find('embed', 1, true) ~= nil
    local source = packages.read('torch.class')
    assert.equal(not embedded, source:match('^%-%-%-') ~= nil)
    assert.equal('function', type((loadstring or load)(source)))
    local found, image = pcall(packages.read, 'stdlib/data/mnist/t10k-labels-idx1-ubyte.gz')
    assert.equal(not embedded, found)
    if found then assert.equal('\31\139', image:sub(1, 2)) end
    assert.has_error(function() packages.read('no/such/file') end)
  end)
end)

describe('require', function()
  it('gives one module whichever way it is asked for', function()
    assert.equal('true\n', lines_of('local a = require "torch" package.loaded.torch = nil '
      .. 'print(a == require "torch" and a == torch)'))
  end)

  it('names the packages of nn/packages without the folder', function()
    assert.is_true(packages.has('graph.Node'))
    assert.is_true(#packages.list('graph.') > 2)
    assert.equal('table\n', lines_of('print(type(require "graph".Graph))', 'MOONLET_PATH='))
  end)

  it('leaves globals alone until they are touched', function()
    assert.equal('nil\tnil\tnil\n', lines_of('print(rawget(_G, "nn"), rawget(_G, "optim"), '
      .. 'rawget(_G, "data"))'))
    assert.equal('', lines_of('for name in pairs(_G) do if name == "nn" then print(name) end end'))
    assert.equal('table\ttable\n', lines_of('print(type(nn), type(optim))'))
    assert.equal('nil\n', lines_of('print(some_other_name)'))
  end)

  it("finds a script's own file before a package of the same name, but not torch and nn", function()
    local folder = os.tmpname()
    os.remove(folder)
    program.shell('mkdir ' .. folder .. ' && cp ' .. program.path .. ' ' .. folder .. '/moonlet')
    for _, name in ipairs({ 'data', 'nn' }) do
      local file = assert(io.open(folder .. '/' .. name .. '.lua', 'w'))
      file:write('return "of the script"')
      file:close()
    end
    local code = [[print((require "data"), type(require "nn"))]]
    local output = program.shell('cd ' .. folder .. ' && LUA_PATH="./?.lua" ./moonlet -e '
      .. program.quote(code))
    program.shell('rm -r ' .. folder)
    assert.equal('of the script\ttable\n', output)
  end)

  it('takes packages from MOONLET_PATH first', function()
    local folder = os.tmpname()
    os.remove(folder)
    program.shell('mkdir -p ' .. folder .. '/stdlib/torch ' .. folder .. '/nn/layers '
      .. folder .. '/nn/packages/zoo')
    local files = {
      ['stdlib/torch/extra.lua'] = 'leaked = 1 return {name = ...}',
      ['nn/layers/Own.lua'] = 'return "own layer"',
      ['nn/packages/zoo/init.lua'] = 'return require "zoo.lion"',
      ['nn/packages/zoo/lion.lua'] = 'return "lion"',
      ['stdlib/torch/broken.lua'] = 'return (',
      ['stdlib/torch/failing.lua'] = 'error("while loading")',
      ['stdlib/torch/circle.lua'] = 'return require "torch.circle"',
    }
    for name, code in pairs(files) do
      local file = assert(io.open(folder .. '/' .. name, 'w'))
      file:write(code)
      file:close()
    end
    local function with_path(code)
      return lines_of(code, 'MOONLET_PATH=' .. folder)
    end
    assert.equal('torch.extra\tnil\n', with_path('print(require "torch.extra".name, leaked)'))
    assert.equal('own layer\n', with_path('print((require "nn.layers.Own"))'))
    assert.matches('nn%.layers%.Own', with_path(
      'print(table.concat(require "moonlet.packages".list("nn.layers."), " "))'))
    assert.equal('lion\tzoo.lion\n', with_path(
      'print(require "zoo", table.concat(require "moonlet.packages".list("zoo."), " "))'))
    assert.matches("error loading module 'torch.broken'", with_path('require "torch.broken"'))
    assert.matches('requires itself', with_path('require "torch.circle"'))
    -- A failure is one again the second time, and not a circle.
    local twice = 'for i = 1, 2 do print(select(2, pcall(require, "torch.failing"))) end'
    local _, count = with_path(twice):gsub('failing%.lua:1: while loading', '')
    assert.equal(2, count)
    program.shell('rm -r ' .. folder)
  end)
end)

describe('the module for another Lua', function()
  local lua = os.getenv('MOONLET_LUA') or (program.is_luajit and 'luajit' or 'lua5.4')
  local has_lua = select(2, program.shell('command -v ' .. lua)) == 0
  local sanitized = program.build:find('asan', 1, true)

  -- What is sanitized can only be loaded by a program that is sanitized too.
  it('changes no global', has_lua and not sanitized and function()
    local code = ([[package.cpath = '%s/?.so'
      local before, loaded = {}, {}
      for name in pairs(_G) do before[name] = true end
      for name in pairs(package.loaded) do loaded[name] = true end
      local moonlet = require 'moonlet'
      local kinds = type(moonlet.torch) .. ' ' .. type(moonlet.nn) .. ' ' .. type(moonlet.optim)
      for name in pairs(_G) do if not before[name] then print('global', name) end end
      for name in pairs(package.loaded) do
        if not loaded[name] and name ~= 'moonlet' and name ~= 'ffi' then print('loaded', name) end
      end
      print(kinds, moonlet.version ~= nil, moonlet.nothing, getmetatable(_G))]])
      :format(program.build)
    local output = program.shell(lua .. ' -e ' .. program.quote(code))
    assert.equal('table table table\ttrue\tnil\tnil\n', output)
  end or function() end)
end)
