-- JSON as the package serve reads and writes it: arrays of numbers are tensors.
local torch = require 'torch'
local json = require('moonlet').require('torch.core').json

local function sizes(tensor)
  return table.concat(tensor:size():totable(), 'x')
end

describe('json.decode', function()
  it('makes tensors of arrays of numbers', function()
    local x = json.decode(' [ [1, 2.5] ,\n[-3e1,\t0.125 ] ] ')
    assert.equal('torch.FloatTensor', torch.type(x))
    assert.same({{1, 2.5}, {-30, 0.125}}, x:totable())
    assert.equal('torch.DoubleTensor', torch.type(json.decode('[1]', 'float64')))
    assert.equal('1x1x1x1x1x1x1x1', sizes(json.decode('[[[[[[[[1]]]]]]]]')))
    assert.equal('2x2x1', sizes(json.decode('[[[1],[2]],[[3],[4]]]')))
    assert.equal(0, json.decode('[]'):nElement())
    assert.equal('2x0', sizes(json.decode('[[],[]]')))
  end)

  it('makes tables, strings and truth values of the rest', function()
    local value = json.decode('{"a":[1],"b":{"c":"x\\ty"},"d":[true,false,[2],"z"],'
      .. '"e":null,"":-0.5}')
    assert.same({1}, value.a:totable())
    assert.equal('x\ty', value.b.c)
    assert.is_true(value.d[1])
    assert.is_false(value.d[2])
    assert.same({2}, value.d[3]:totable())
    assert.equal('z', value.d[4])
    assert.equal(json.null, value.e)
    assert.equal(-0.5, value[''])
    assert.same({}, json.decode('{}'))
  end)

  it('knows all escapes', function()
    assert.equal('"\\/\b\f\n\r\t\0', json.decode('"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000"'))
    assert.equal('\195\169\226\130\172\240\159\152\128',
      json.decode('"\\u00e9\\u20AC\\uD83D\\uDE00"'))
    assert.equal('\195\169\240\159\152\128', json.decode('"\195\169\240\159\152\128"'))
  end)

  -- By other means: Lua's own reader, which is the C library's.
  it('rounds numbers to the nearest', function()
    local seed = 1
    local function random(n)
      seed = (seed * 16807) % 2147483647
      return seed % n
    end
    for i = 1, 20000 do
      local text = ({
        ('%d.%d'):format(random(1000), random(1e9)),
        ('%.17g'):format(random(1e9) / 1e9),
        ('%d%d%d'):format(1 + random(1e9), random(1e9), random(1e6)) .. 'e' .. random(80) - 40,
        ('%.17g'):format(random(1e9) * 10.0 ^ (random(600) - 310)),
      })[i % 4 + 1]
      local value, why = json.decode(text)
      if value ~= tonumber(text) and math.abs(tonumber(text)) < math.huge then
        assert.equal(text, tostring(value) .. tostring(why))
      end
    end
    for _, text in ipairs {'9007199254740993', '9007199254740992.5', '4.9e-324', '2.5e-324',
        '1e-400', '1.7976931348623157e308', '123456789012345678901234567890', '0.1e1', '1E5',
        '1e+5', '0.000000000000000000000000000000000000001', '9223372036854775807',
        '9007199254740993.0000001'} do
      assert.equal(tonumber(text) + 0.0, json.decode(text))
    end
    assert.equal(-math.huge, 1 / json.decode('-0.0'))
  end)

  local wrong = {
    [''] = 'the text ends where a value is expected at byte 1',
    ['  '] = 'the text ends where a value is expected at byte 3',
    ['[1,2'] = "the text ends where ',' or ']' is expected at byte 5",
    ['[[1,2],[3]]'] =
      'rows of different lengths: this one has 1 elements, one before it 2 at byte 10',
    ['[1,[2]]'] = 'an array among numbers: all must be of one depth at byte 4',
    ['[[1],2]'] = 'a number among arrays: all must be of one depth at byte 6',
    ['[[],1]'] = 'a number among arrays: all must be of one depth at byte 5',
    ['[[[1]],[]]'] = 'an empty array among those of numbers at byte 9',
    ['[1,"a"]'] = 'a number expected, got \'"\' at byte 4',
    ['[1,]'] = "a number expected, got ']' at byte 4",
    ['[[1],]'] = "an array of numbers expected, got ']' at byte 6",
    ['[1 2]'] = "',' or ']' expected, got '2' at byte 4",
    ['["a",]'] = "a value expected, got ']' at byte 6",
    ['[NaN]'] = "a value expected, got 'N' at byte 2",
    ['[1,NaN]'] = "a number expected, got 'N' at byte 4",
    ['[-Infinity]'] = 'no number at byte 2',
    ['Infinity'] = "a value expected, got 'I' at byte 1",
    ['[1e39]'] = 'a number beyond those of 32 bits at byte 2',
    ['[1,-1e400]'] = 'a number beyond those of 64 bits at byte 4',
    ['[01]'] = 'no number at byte 2',
    ['[0x10]'] = "',' or ']' expected, got 'x' at byte 3",
    ['[1.]'] = 'no number at byte 2', ['[.5]'] = "a value expected, got '.' at byte 2",
    ['[1e]'] = 'no number at byte 2', ['[1e+]'] = 'no number at byte 2',
    ['-'] = 'no number at byte 1', ['[+1]'] = "a value expected, got '+' at byte 2",
    ['[' .. ('1'):rep(1001) .. ']'] = 'a number with too many digits at byte 2',
    ['[[[[[[[[[1]]]]]]]]]'] = 'an array of more than 8 dimensions at byte 9',
    [('['):rep(1e6)] = 'values nested too deep at byte 65',
    [('{"a":'):rep(1000)] = 'values nested too deep at byte 321',
    ['{"a":1,}'] = "a key expected, got '}' at byte 8",
    ['{"a" 1}'] = "':' expected, got '1' at byte 6",
    ['{a:1}'] = "a key expected, got 'a' at byte 2",
    ['{"a":1'] = "the text ends where ',' or '}' is expected at byte 7",
    ['tru'] = "a value expected, got 't' at byte 1",
    ['nul'] = "a value expected, got 'n' at byte 1",
    ['[1]x'] = "the end expected, got 'x' at byte 4",
    ['[1]\0'] = 'the end expected, got a byte of 0 at byte 4',
    ['[1\0]'] = "',' or ']' expected, got a byte of 0 at byte 3",
    ['"abc'] = 'a string without an end at byte 1',
    ['"abc\\'] = 'a wrong escape in a string at byte 5',
    ['"\\x41"'] = 'a wrong escape in a string at byte 2',
    ['"\\u12"'] = 'a wrong escape in a string at byte 2',
    ['"\\ud800"'] = 'a wrong escape in a string at byte 2',
    ['"\\udc00"'] = 'a wrong escape in a string at byte 2',
    ['"\\ud800\\ud800"'] = 'a wrong escape in a string at byte 2',
    ['"\1"'] = 'a control character in a string at byte 2',
    ['"\255"'] = 'a string that is no UTF-8 at byte 2',
    ['"\192\128"'] = 'a string that is no UTF-8 at byte 2',
    ['"\237\160\128"'] = 'a string that is no UTF-8 at byte 2',
    ['"\244\144\128\128"'] = 'a string that is no UTF-8 at byte 2',
    ['"\226\130"'] = 'a string that is no UTF-8 at byte 2',
    ['\239\187\191[1]'] = 'a value expected, got a byte of 239 at byte 1',
  }
  for text, reason in pairs(wrong) do
    it(('refuses %q'):format(text:sub(1, 24)), function()
      local value, why = json.decode(text)
      assert.is_nil(value)
      assert.equal(reason, why)
    end)
  end

  it('refuses more tables than anybody needs', function()
    local value, why = json.decode('[' .. ('{},'):rep(1100000) .. '{}]')
    assert.is_nil(value)
    assert.matches('^more than 1048576 values that are no numbers', why)
    collectgarbage()
  end)

  it('wants text', function()
    assert.has_error(function() json.decode() end)
    assert.has_error(function() json.decode({}) end)
    assert.has_error(function() json.decode('1', 'int32') end)
  end)
end)

describe('json.tensor', function()
  it('writes the shortest digits that read back the same', function()
    assert.equal('[[1.0,2.5,0.1],[1e-8,-3e20,0.33333334]]',
      json.tensor(torch.FloatTensor {{1, 2.5, 0.1}, {1e-8, -3e20, 1 / 3}}))
    assert.equal('[0.1,0.3333333333333333,1e300,-0.0,123456789.0]',
      json.tensor(torch.DoubleTensor {0.1, 1 / 3, 1e300, -0.0, 123456789}))
    assert.equal('[9.9999999,1000000.0,0.00001,0.000012]',
      json.tensor(torch.DoubleTensor {9.9999999, 1e6, 1e-5, 1.2e-5}))
  end)

  it('gives back what it read', function()
    local generator = torch.Generator()
    torch.manualSeed(generator, 3)
    local x = torch.cat({torch.randn(generator, 5000), torch.randn(generator, 5000):mul(20):exp(),
      torch.randn(generator, 5000):mul(1e6):floor():div(255)}, 1):float()
    assert.is_true(x:equal(json.decode(json.tensor(x))))
    local y = x:double():mul(1 / 3)
    assert.is_true(y:equal(json.decode(json.tensor(y), 'float64')))
    local halves = x:narrow(1, 1, 1000):half()
    assert.is_true(halves:float():equal(json.decode(json.tensor(halves))))
    local least = torch.FloatTensor {1e-45, 1.17549435e-38, 3.4028235e38, -3.4028235e38}
    assert.is_true(least:equal(json.decode(json.tensor(least))))
  end)

  it('writes whole numbers, flags, views and empty tensors', function()
    assert.equal('[[1,2],[3,-4]]', json.tensor(torch.LongTensor {{1, 2}, {3, -4}}))
    assert.equal('[255,0]', json.tensor(torch.ByteTensor {255, 0}))
    assert.equal('[true,false]', json.tensor(torch.tensor({1, 0}, {dtype = 'bool'})))
    assert.equal('[[1.0,3.0],[2.0,4.0]]', json.tensor(torch.Tensor {{1, 2}, {3, 4}}:t()))
    assert.equal('[[],[]]', json.tensor(torch.zeros(2, 0)))
    assert.equal('[]', json.tensor(torch.Tensor()))
    assert.equal('5.0', json.tensor(torch.tensor(5.0, {dtype = 'float32'})))
  end)

  it('writes null for what JSON lacks', function()
    assert.equal('[null,null,null]', json.tensor(torch.Tensor {0 / 0, 1 / 0, -1 / 0}))
  end)

  it('wants a tensor', function()
    assert.has_error(function() json.tensor({1}) end)
    assert.has_error(function() json.tensor() end)
  end)
end)

describe('json.string and json.number', function()
  it('write what every reader understands', function()
    assert.equal('"a\\"\\\\\\n\\u0001\195\169\239\191\189x"', json.string('a"\\\n\1\195\169\255x'))
    assert.equal('""', json.string(''))
    assert.equal('3', json.number(3))
    assert.equal('-0.5', json.number(-0.5))
    assert.equal('1e300', json.number(1e300))
    assert.equal('null', json.number(0 / 0))
  end)
end)
