-- Printing of tensors and storages in Torch7's layout, and of tables at the prompt.
local torch = require 'torch'
local pretty = require 'torch.pretty'

local function double(values)
  return torch.DoubleTensor(values)
end

local function range(first, last)
  local values = {}
  for i = first, last do values[#values + 1] = i end
  return values
end

describe('a vector prints', function()
  it('integers with the width of the largest', function()
    assert.equal(' 1\n-2\n 3\n[torch.DoubleTensor of size 3]\n', tostring(double {1, -2, 3}))
    assert.equal('  10\n   0\n 100\n[torch.DoubleTensor of size 3]\n',
      tostring(double {10, 0, 100}))
  end)

  it('fractions with four digits', function()
    assert.equal(' 1.5000\n-2.0000\n 3.0000\n[torch.DoubleTensor of size 3]\n',
      tostring(double {1.5, -2, 3}))
    assert.equal(' 0.5000\n-0.2500\n[torch.DoubleTensor of size 2]\n',
      tostring(double {0.5, -0.25}))
    assert.equal(' 100.5000\n   1.2500\n[torch.DoubleTensor of size 2]\n',
      tostring(double {100.5, 1.25}))
  end)

  it('values of one large or small magnitude with a common factor', function()
    assert.equal('100000 *\n 1.2346\n 2.3457\n[torch.DoubleTensor of size 2]\n',
      tostring(double {123456.7, 234567.8}))
    assert.equal('0.01 *\n 1.0000\n 3.3000\n[torch.DoubleTensor of size 2]\n',
      tostring(double {0.01, 0.033}))
    assert.equal('1e+06 *\n 1.5000\n 2.5000\n[torch.DoubleTensor of size 2]\n',
      tostring(double {1500000.25, 2500000.25}))
  end)

  it('values of many magnitudes with exponents', function()
    assert.equal(' 1.0000e+06\n 1.0000e-01\n[torch.DoubleTensor of size 2]\n',
      tostring(double {1e6, 0.1}))
    assert.equal(' 1.0000e+10\n 1.0000e+00\n[torch.DoubleTensor of size 2]\n',
      tostring(double {1e10, 1}))
    assert.equal(' 1.0000e-200\n  1.5000e+00\n[torch.DoubleTensor of size 2]\n',
      tostring(double {1e-200, 1.5}))
  end)

  it('infinities and NaN', function()
    assert.equal('         inf\n  1.5000e+00\n[torch.DoubleTensor of size 2]\n',
      tostring(double {math.huge, 1.5}))
    assert.equal('       -inf\n 1.0000e+00\n[torch.DoubleTensor of size 2]\n',
      tostring(double {-math.huge, 1}))
    assert.equal('nan\n1.500000\n[torch.DoubleTensor of size 2]\n',
      tostring(double {0 / 0, 1.5}))
    assert.equal('nan\n1.500000\n[torch.DoubleTensor of size 2]\n',
      tostring(double {-(0 / 0), 1.5}))
  end)

  it('zeros', function()
    assert.equal(' 0\n 0\n[torch.DoubleTensor of size 2]\n', tostring(double {0, 0}))
  end)
end)

describe('a matrix prints', function()
  it('row by row', function()
    assert.equal(' 1  2  3\n 4  5  6\n[torch.DoubleTensor of size 2x3]\n',
      tostring(double {{1, 2, 3}, {4, 5, 6}}))
    assert.equal(' 0.5000  2.0000\n-4.0000  5.0000\n[torch.DoubleTensor of size 2x2]\n',
      tostring(double {{0.5, 2}, {-4, 5}}))
  end)

  it('with a factor on a line of its own and the rows moved', function()
    assert.equal('0.01 *\n  1.0000  2.0000\n  0.3300  5.0000\n[torch.DoubleTensor of size 2x2]\n',
      tostring(double {{0.01, 0.02}, {0.0033, 0.05}}))
  end)

  it('in groups of columns when it is wider than 80', function()
    local row = {}
    for i = 1, 12 do row[i] = i + 0.5 end
    assert.equal(table.concat({
      'Columns 1 to 8',
      '  1.5000   2.5000   3.5000   4.5000   5.5000   6.5000   7.5000   8.5000',
      '',
      'Columns 9 to 12',
      '  9.5000  10.5000  11.5000  12.5000',
      '[torch.DoubleTensor of size 1x12]', '',
    }, '\n'), tostring(double {row}))
  end)

  it('the same when it is a transposed or narrowed view', function()
    local matrix = double {{1, 2, 3}, {4, 5, 6}}
    assert.equal(' 1  4\n 2  5\n 3  6\n[torch.DoubleTensor of size 3x2]\n', tostring(matrix:t()))
    assert.equal(' 2  3\n 5  6\n[torch.DoubleTensor of size 2x2]\n',
      tostring(matrix:narrow(2, 2, 2)))
  end)
end)

describe('a tensor of more dimensions prints', function()
  it('as slices', function()
    assert.equal(table.concat({
      '(1,.,.) = ', '   1  2', '   3  4', '',
      '(2,.,.) = ', '   5  6', '   7  8',
      '[torch.DoubleTensor of size 2x2x2]', '',
    }, '\n'), tostring(double {{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}))
  end)

  it('with the first index running fastest', function()
    local text = tostring(torch.DoubleTensor(2, 2, 1, 1):zero())
    local labels = {}
    for label in text:gmatch('%(([^)]*)%) = ') do labels[#labels + 1] = label end
    assert.same({'1,1,.,.', '2,1,.,.', '1,2,.,.', '2,2,.,.'}, labels)
  end)
end)

describe('other tensors print', function()
  it('with the name of their type', function()
    assert.equal(' 1\n 2\n[torch.FloatTensor of size 2]\n', tostring(torch.FloatTensor {1, 2}))
    assert.equal('   1\n 200\n[torch.ByteTensor of size 2]\n', tostring(torch.ByteTensor {1, 200}))
    assert.equal('-1\n 2\n[torch.LongTensor of size 2]\n', tostring(torch.LongTensor {-1, 2}))
    assert.equal(' 0.5000\n 2.0000\n[torch.HalfTensor of size 2]\n',
      tostring(torch.HalfTensor {0.5, 2}))
    assert.equal(' 0.5000\n 2.0000\n[torch.BFloat16Tensor of size 2]\n',
      tostring(torch.BFloat16Tensor {0.5, 2}))
    assert.equal(' 1\n 0\n[torch.BoolTensor of size 2]\n', tostring(torch.BoolTensor {1, 0}))
  end)

  it('empty ones without values', function()
    assert.equal('[torch.FloatTensor with no dimension]\n', tostring(torch.FloatTensor()))
  end)

  it('whole up to 10,000 values', function()
    local text = tostring(torch.DoubleTensor(100, 100):fill(1))
    local _, lines = text:gsub('\n', '')
    -- Four groups of columns, three blank lines between them, and the line with the size.
    assert.equal(4 * 101 + 3 + 1, lines)
  end)

  it('only the edges of big ones', function()
    local text = tostring(torch.FloatTensor(1000000):fill(1))
    local _, lines = text:gsub('\n', '')
    assert.equal(23, lines)
    assert.matches('%[1000000 values: only the first and last of each dimension are shown%]', text)
    assert.matches('%[torch.FloatTensor of size 1000000%]\n$', text)
    assert.is_true(#tostring(torch.FloatTensor(60, 50, 40):zero()) < 10000)
    local matrix = torch.DoubleTensor(range(1, 20000)):view(200, 100)
    local first, last = tostring(matrix):match('^([^\n]*)\n.*\n([^\n]*)\n%[20000 values')
    assert.equal('     1      2      3 ...     98     99    100', first)
    assert.equal(' 19901  19902  19903 ...  19998  19999  20000', last)
  end)
end)

describe('a storage prints', function()
  it('one value a line', function()
    assert.equal(' 2\n 3\n[torch.LongStorage of size 2]\n',
      tostring(torch.LongTensor(2, 3):size()))
    assert.equal('[torch.FloatStorage of size 0]\n', tostring(torch.FloatStorage()))
    assert.equal(' 1.5000\n 2.0000\n[torch.DoubleStorage of size 2]\n',
      tostring(torch.DoubleTensor({1.5, 2}):storage()))
  end)
end)

describe('at the prompt', function()
  it('a table shows its fields in order', function()
    assert.equal('{\n  1 : 5\n  2 : true\n  name : "x"\n}', pretty.value {5, true, name = 'x'})
    assert.equal('{}', pretty.value {})
    assert.equal('{\n  s : "a\\nb"\n}', pretty.value {s = 'a\nb'})
    assert.equal('{\n  inner : \n    {\n      1 : 2\n    }\n}', pretty.value {inner = {2}})
  end)

  it('nesting ends somewhere, cycles too', function()
    local cycle = {}
    cycle.me = cycle
    local _, depth = pretty.value(cycle):gsub('me', '')
    assert.equal(5, depth)
    assert.matches('{%.%.%.}', pretty.value(cycle))
    assert.matches('%.%.%. and 500 more', pretty.value(range(1, 1500)))
  end)

  it('tensors inside of tables are named, not printed', function()
    assert.equal('{\n  w : FloatTensor - size: 2x3\n}', pretty.value {w = torch.FloatTensor(2, 3)})
    assert.equal('{\n  n : LongStorage - size: 2\n}',
      pretty.value {n = torch.FloatTensor(2, 3):size()})
    assert.equal('{\n  e : FloatTensor - empty\n}', pretty.value {e = torch.FloatTensor()})
  end)

  it('other values read as tostring has them', function()
    assert.equal('text', pretty.value('text'))
    assert.equal('nil', pretty.value(nil))
    assert.equal(tostring(1.5), pretty.value(1.5))
    assert.equal(tostring(torch.FloatTensor {1}), pretty.value(torch.FloatTensor {1}))
  end)

  it('objects show what their class says, or their fields', function()
    local package = {}
    local Plain = torch.class('PrettySpecPlain', package)
    function Plain:__init() self.x = 1 end
    assert.equal('PrettySpecPlain {\n  x : 1\n}', pretty.value(package.PrettySpecPlain()))
    function Plain.__tostring__() return 'plain!' end
    assert.equal('plain!', pretty.value(package.PrettySpecPlain()))
  end)
end)
