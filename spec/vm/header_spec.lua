-- The embedding header says all there is to know, and becomes pages that say it.
local program = require('spec.vm.program')

local function read(path)
  local file = assert(io.open(path))
  local text = file:read('*a')
  file:close()
  return text
end

local header = read('vm/moonlet.h')
local folder = os.tmpname()
os.remove(folder)
local output, status = program.run('scripts/docs/header.lua vm/moonlet.h ' .. folder)

describe('the embedding header', function()
  local functions = {}
  for name in header:gmatch('\nMOONLET_API [^;]-([%w_]+)%(') do functions[#functions + 1] = name end

  it('becomes documentation', function()
    assert.equal('', output)
    assert.equal(0, status)
    assert.is_true(#functions > 40)
  end)

  it('has a man page for each function, with its declaration and more', function()
    for _, name in ipairs(functions) do
      local page = read(('%s/man3/%s.3'):format(folder, name))
      local other = page:match('^%.so (man3/[%w_]+%.3)\n$')
      if other then page = read(folder .. '/' .. other) end
      assert.is_true(page:find(name .. '(', 1, true) ~= nil, name)
      local text = page:match('%.SH DESCRIPTION\n(.-)%.SH SEE ALSO')
      assert.is_true(text ~= nil and #text > 20, name .. ' is not described')
    end
  end)

  it('has a page of HTML in which every link leads somewhere', function()
    local html = read(folder .. '/moonlet.html')
    local places, links = {}, 0
    for place in html:gmatch(' id="(.-)"') do
      assert.is_nil(places[place], place .. ' stands twice')
      places[place] = true
    end
    for link in html:gmatch('href="#(.-)"') do
      links = links + 1
      assert.is_true(places[link], link)
    end
    assert.is_true(links > 100)
    for _, name in ipairs(functions) do
      assert.is_true(html:find('<code>' .. name .. '</code>', 1, true) ~= nil, name)
    end
    for _, tag in ipairs {'div', 'pre', 'p', 'a', 'ul', 'li', 'h2'} do
      local _, opened = html:gsub('<' .. tag .. '[ >]', '')
      local _, closed = html:gsub('</' .. tag .. '>', '')
      assert.equal(opened, closed, tag)
    end
  end)

  if select(2, program.shell('command -v groff')) == 0 then
    it('has man pages that groff has no complaints of', function()
      local text = program.shell(('cd %s && for f in man3/*.3; do groff -man -ww -Tascii $f 2>&1 '
        .. '>/dev/null; done'):format(folder))
      assert.equal('', text)
    end)
  end

  it('leaves no more than that', function()
    assert.equal(0, select(2, program.shell('rm -r ' .. folder)))
  end)
end)
