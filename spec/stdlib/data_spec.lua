-- idx files and the digits that come with Moonlet.
local torch = require 'torch'
local data = require 'data'

local path = os.tmpname()
teardown(function() os.remove(path) end)

local function write(bytes)
  local file = assert(io.open(path, 'wb'))
  file:write(bytes)
  file:close()
  return path
end

local function sizes(tensor)
  local out = {}
  for d = 1, tensor:dim() do out[d] = tensor:size(d) end
  return out
end

local function refused(bytes, pattern)
  write(bytes)
  assert.error_matches(function() data.idx(path) end, pattern)
end

describe('data.idx', function()
  it('reads every type in big-endian order', function()
    for _, case in ipairs {
      {'\8', '\1\200', 'torch.ByteTensor', {1, 200}},
      {'\9', '\1\255', 'torch.CharTensor', {1, -1}},
      {'\11', '\1\0\255\254', 'torch.ShortTensor', {256, -2}},
      {'\12', '\0\1\0\0\255\255\255\255', 'torch.IntTensor', {65536, -1}},
      {'\13', '\63\192\0\0\192\0\0\0', 'torch.FloatTensor', {1.5, -2}},
      {'\14', '\63\248\0\0\0\0\0\0\192\0\0\0\0\0\0\0', 'torch.DoubleTensor', {1.5, -2}},
    } do
      local tensor = data.idx(write('\0\0' .. case[1] .. '\1\0\0\0\2' .. case[2]))
      assert.equal(case[3], torch.type(tensor))
      assert.same(case[4], tensor:totable())
    end
  end)

  it('reads several dimensions', function()
    local tensor = data.idx(write('\0\0\8\2\0\0\0\2\0\0\0\3\1\2\3\4\5\6'))
    assert.same({{1, 2, 3}, {4, 5, 6}}, tensor:totable())
  end)

  it('reads gzip', function()
    local ok, gzip = pcall(function()
      return require('moonlet.gzip').gzip('\0\0\8\1\0\0\0\3\7\8\9')
    end)
    if not ok then return end
    assert.same({7, 8, 9}, data.idx(write(gzip)):totable())
    write(gzip:sub(1, #gzip - 6))
    local read, message = pcall(data.idx, path)
    assert.is_false(read)
    assert.matches('data%.idx: ', message)
    assert.is_truthy(message:find(path, 1, true))
  end)

  it('names what is wrong', function()
    assert.error_matches(function() data.idx('/no/such/file') end,
      'data.idx: /no/such/file: cannot open: No such file or directory')
    assert.error_matches(function() data.idx() end, 'expected a file name, got nil')
    refused('', 'the file is empty')
    refused('\0\0', 'the header needs 4 bytes, the file has 2')
    refused('hello', 'not an idx file %(it begins with bytes 104 101 108 108%)')
    refused('\0\0\7\1\0\0\0\1a', 'not an idx file')
    refused('\0\0\8\9' .. ('\0'):rep(40), '9 dimensions %(expected 1 to 8%)')
    refused('\0\0\8\2\0\0\0\1', 'the header of 2 dimensions needs 12 bytes, the file has 8')
    refused('\0\0\8\1\0\0\0\3ab',
      '3 values of 1 bytes need 3 bytes after the header, the file has 2')
    refused('\0\0\8\1\0\0\0\3abcd', 'need 3 bytes after the header, the file has 4')
    refused('\0\0\14\2\255\255\255\255\255\255\255\255', 'need 1475739525.* bytes')
    refused('\0\0\8\1\0\0\0\0', 'no values')
    assert.error_matches(function() data.idx('/tmp') end, 'data.idx: /tmp: cannot read')
  end)
end)

describe('data.mnist', function()
  local digits = data.mnist()

  it('has 9,000 digits to train on and 1,000 to test', function()
    assert.same({9000, 784}, sizes(digits.train.images))
    assert.same({9000}, sizes(digits.train.labels))
    assert.same({1000, 784}, sizes(digits.test.images))
    assert.same({1000}, sizes(digits.test.labels))
    assert.equal('torch.FloatTensor', torch.type(digits.train.images))
    assert.equal('torch.LongTensor', torch.type(digits.train.labels))
    assert.is_true(digits.test.images:isContiguous())
  end)

  it('has pixels from 0 to 1 and labels from 1 to 10', function()
    assert.equal(0, digits.train.images:min())
    assert.equal(1, digits.train.images:max())
    assert.equal(1, digits.train.labels:min())
    assert.equal(10, digits.train.labels:max())
    -- The set begins with 7, 2, 1, 0, 4.
    assert.same({8, 3, 2, 1, 5}, digits.train.labels:narrow(1, 1, 5):totable())
    assert.near(0.1325, digits.train.images:mean(), 0.005)
  end)

  it('splits where it is told to, always the same way', function()
    local other = data.mnist {train = 100}
    assert.same({100, 784}, sizes(other.train.images))
    assert.same({9900}, sizes(other.test.labels))
    assert.equal(digits.train.labels[101], other.test.labels[1])
    assert.equal(0, (other.train.images - digits.train.images:narrow(1, 1, 100)):abs():sum())
  end)

  it('names what is wrong', function()
    assert.error_matches(function() data.mnist {path = '/no/such/folder'} end,
      't10k%-images%-idx3%-ubyte.gz and .* were not found; looked in: /no/such/folder$')
    for _, train in ipairs {0, 10000, 1.5, 'many'} do
      assert.error_matches(function() data.mnist {train = train} end,
        'train must be a whole number from 1 to 9999, got ' .. tostring(train))
    end
    assert.error_matches(function() data.mnist(5) end, 'expected a table of options, got number')
  end)
end)
