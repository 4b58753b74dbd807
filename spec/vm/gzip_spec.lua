local gzip = require('moonlet.gzip')

-- The embedded build unpacks without zlib, and says that it does not pack.
local present, message = pcall(gzip.gzip, '')

local function pack(text)
  if present then return gzip.gzip(text) end
  local name = os.tmpname()
  local file = assert(io.open(name, 'wb'))
  file:write(text)
  file:close()
  local pipe = io.popen('gzip -c ' .. name)
  local packed = pipe:read('*a')
  pipe:close()
  os.remove(name)
  return packed
end

local function fails_with(pattern, f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, text)
end

describe('moonlet.gzip', function()
  local text = ('some text that repeats; '):rep(20000)
  local packed = pack(text)

  it('packs and unpacks', function()
    assert.is_true(#packed < #text / 20)
    assert.is_true(gzip.gunzip(packed) == text)
    assert.equal('', gzip.gunzip(pack('')))
    if present then assert.is_true(#gzip.gzip(text, 9) <= #gzip.gzip(text, 1)) end
  end)

  it('unpacks all members, and passes over zeros behind them', function()
    assert.is_true(gzip.gunzip(packed .. packed) == text .. text)
    assert.is_true(gzip.gunzip(packed .. ('\0'):rep(1000)) == text)
  end)

  it('unpacks files', function()
    local name = os.tmpname()
    local file = assert(io.open(name, 'wb'))
    file:write(packed)
    file:close()
    assert.is_true(gzip.gunzip_file(name) == text)
    os.remove(name)
    fails_with('gunzip_file: cannot open .*No such file', gzip.gunzip_file, '/nonexistent.gz')
    fails_with('reading fails', gzip.gunzip_file, '/')
  end)

  it('says where data ends early', function()
    for _, size in ipairs({ 0, 1, 5, 100, #packed - 1 }) do
      fails_with(('data ends early %%(%d bytes read%%)'):format(size), gzip.gunzip,
        packed:sub(1, size))
    end
  end)

  it('notices damage', function()
    fails_with('no gzip data', gzip.gunzip, 'this has never been packed')
    local middle = math.floor(#packed / 2)
    local damaged = packed:sub(1, middle) .. ('x'):rep(20) .. packed:sub(middle + 21)
    fails_with('gunzip: data', gzip.gunzip, damaged)
    local wrong_sum = packed:sub(1, -9) .. ('\1'):rep(4) .. packed:sub(-4)
    fails_with('damaged', gzip.gunzip, wrong_sum)
  end)

  it('keeps to its limit', function()
    assert.is_true(gzip.gunzip(packed, #text) == text)
    fails_with('more than 100 bytes', gzip.gunzip, packed, 100)
    fails_with('more than 479999 bytes', gzip.gunzip, packed, #text - 1)
    fails_with('whole number', gzip.gunzip, packed, -1)
    fails_with('whole number', gzip.gunzip, packed, 0.5)
  end)

  it('checks its arguments', function()
    fails_with('string expected', gzip.gunzip)
    if present then fails_with('level is 10', gzip.gzip, 'x', 10) end
  end)

  it('packs, or says why not', function()
    if not present then assert.matches('no zlib', message) end
  end)

  it('unpacks what does not repeat, and every way of packing', function()
    local bytes, seed = {}, 1
    for i = 1, 70000 do
      seed = seed * 16807 % 2147483647
      bytes[i] = string.char(i < 40000 and seed % 256 or seed % 7)
    end
    local noise = table.concat(bytes)
    assert.is_true(gzip.gunzip(pack(noise)) == noise)
    assert.is_true(gzip.gunzip(pack('a')) == 'a')
  end)
end)
