-- torch.help.
local torch = require 'torch'
local help = require 'torch.help'

describe('help', function()
  it('tells of every operation how it is called and what it does', function()
    assert.is_true(#torch.ops >= 60)
    for _, op in ipairs(torch.ops) do
      local text = help.text(op.name)
      assert.is_true(op.doc ~= nil and #op.doc > 0, op.name .. ' has no help line')
      assert.is_truthy(text:find(op.doc, 1, true), op.name)
      assert.is_truthy(text:find(op.name, 1, true), op.name)
    end
  end)

  it('takes a function, or its name with or without torch', function()
    local text = help.text('add')
    assert.equal(text, help.text('torch.add'))
    assert.equal(text, help.text(torch.add))
    assert.equal(text, help.text(torch.FloatTensor.add))
    assert.matches('The greatest element.\n.*along a dimension', help.text('max'))
  end)

  it('lists the ways of calling', function()
    assert.equal(table.concat({
      'torch.narrow([res,] x, dim, first, size)', 'x:narrow(dim, first, size)'}, '\n'),
      help.text('narrow'):match('^(.-)\n  '))
    assert.equal(table.concat({
      'torch.mm([res,] a, b)', 'res:mm(a, b)  stores into res'}, '\n'),
      help.text('mm'):match('^(.-)\n  '))
    assert.equal(table.concat({
      'torch.addcmul([res,] x, a, b)', 'x:addcmul(a, b)  changes x',
      'torch.addcmul([res,] x, value, a, b)', 'x:addcmul(value, a, b)  changes x'}, '\n'),
      help.text('addcmul'):match('^(.-)\n  '))
    assert.matches('torch.sum%(%[res,%] x %[, dim%] %[, keepdim=true%]%)', help.text('sum'))
  end)

  it('leaves no function of torch and no method of tensors without a word', function()
    local silent = {}
    local function check(tbl, where)
      for name, value in pairs(tbl) do
        if type(value) == 'function' and name:sub(1, 2) ~= '__'
            and help.text(value):find('without a description') then
          silent[#silent + 1] = where .. name
        end
      end
    end
    check(torch, 'torch.')
    check(torch.getmetatable('torch.FloatTensor'), 'x:')
    assert.same({}, silent)
  end)

  it('reads the comments of Lua functions and classes', function()
    if (os.getenv('MOONLET_BUILD') or ''):find('embed', 1, true) then return end -- has none
    assert.matches('^torch.CmdLine%(argument_separator, key_separator%)\n  Command line options',
      help.text(torch.CmdLine))
    assert.equal(help.text(torch.CmdLine), help.text('torch.CmdLine'))
    assert.matches('a crash or a full disk leaves the old file', help.text(torch.save))
  end)

  it('offers similar names, and says when there are none', function()
    assert.matches("operations like 'softma': .*softmax", help.text('softma'):lower())
    assert.equal("no help for 'zzzz'\n", help.text('zzzz'))
  end)

  it('says something of anything', function()
    assert.matches('help%(torch.add%)', help.text(nil))
    assert.equal('a number\n', help.text(5))
    assert.equal('a table\n', help.text({}))
    assert.equal('a function without a description\n', help.text(string.rep))
    assert.equal('an object of class torch.Timer\n', help.text(torch.Timer()))
    assert.equal('torch.FloatTensor: a type of torch.core\n', help.text(torch.FloatTensor))
  end)
end)
