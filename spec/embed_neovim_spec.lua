-- The plug-in of scripts/embed/neovim, in a Neovim without a screen; embed_neovim.lua is what it is
-- asked to do there. Neovim brings LuaJIT, so this belongs to that build's specs.
local program = require 'spec.vm.program'

describe('scripts/embed/neovim', function()
  if not program.is_luajit or program.build:find('asan', 1, true) then return end
  if select(2, program.shell('command -v nvim')) ~= 0 then
    pending('is not run: neovim is not installed (scripts/setup --embed)')
    return
  end

  local output, status = program.shell(('MOONLET_BUILD=$(realpath %s) timeout 200 nvim --headless '
    .. "-u NONE -i NONE --cmd 'set rtp+=scripts/embed/neovim noswapfile' "
    .. "stdlib/torch/serialize.lua -c 'luafile spec/embed_neovim.lua' -c 'qa!'")
    :format(program.build))
  local values = {}
  for name, value in output:gmatch('([%w_]+)=([^\r\n]*)') do values[name] = value end

  it('ends well, and sets no global', function()
    assert.equal(0, status, output)
    assert.equal('true', values.done, output)
    assert.is_nil(values.global)
    assert.equal('true', values.cpath)
  end)

  it('learns in the background, in short slices', function()
    assert.equal('1', values.begins)
    assert.equal('true', values.ended)
    assert.is_true(tonumber(values.first) > 5, output)
    assert.is_true(tonumber(values.last) < 1.5, output)
    assert.is_true(tonumber(values.slice) < 9, output)
  end)

  it('tells how far it is', function()
    assert.matches('^Moonlet learns: %d+ %%, %d+%.%d+ bits a letter$', values.says)
    assert.matches('^Moonlet has learned: %d+%.%d+ bits a letter$', values.says_then)
  end)

  it('completes a word by what stands before it', function()
    assert.equal('require', values.after_equals)
    assert.equal('return', values.at_the_beginning)
    assert.equal('  return', values.written)
    assert.equal('local files = require', values.by_keys)
    assert.equal('0', values.nothing)
  end)

  it('can be stopped, and survives a buffer that goes', function()
    assert.equal('true', values.stopped)
    assert.equal('true', values.gone)
    assert.equal('true', values.empty)
    assert.equal('true', values.complete_in_empty)
  end)
end)
