-- torch.save, torch.load and their relatives: Torch7's binary layout.
local torch = require 'torch'

local path = os.tmpname()
teardown(function() os.remove(path) end)

local function round(value)
  return torch.deserialize(torch.serialize(value))
end

-- Little-endian int32 and int64 of small numbers, and readable bytes.
local function int(value)
  local out = {}
  for i = 1, 4 do
    out[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(out)
end

local function long(value)
  return int(value) .. ('\0'):rep(4)
end

local function text(value)
  return int(#value) .. value
end

local function write_file(name, bytes)
  local file = assert(io.open(name, 'wb'))
  file:write(bytes)
  file:close()
end

local function read_file(name)
  local file = assert(io.open(name, 'rb'))
  local bytes = file:read('*a')
  file:close()
  return bytes
end

local ONE = ('\0'):rep(6) .. '\240\63' -- 1 as a float64

describe('the layout', function()
  it('is that of Torch7, byte by byte', function()
    assert.equal(int(0), torch.serialize(nil))
    assert.equal(int(1) .. ONE, torch.serialize(1))
    assert.equal(int(2) .. text 'abc', torch.serialize('abc'))
    assert.equal(int(5) .. int(1), torch.serialize(true))
    assert.equal(int(5) .. int(0), torch.serialize(false))
    assert.equal(int(3) .. int(1) .. int(1) .. int(1) .. ONE .. int(2) .. text 'x',
      torch.serialize {'x'})
  end)

  it('of a tensor is its shape and its storage', function()
    local bytes = int(4) .. int(1) .. text 'V 1' .. text 'torch.ByteTensor'
      .. int(2) .. long(2) .. long(2) .. long(2) .. long(1) .. long(1)
      .. int(4) .. int(2) .. text 'V 1' .. text 'torch.ByteStorage' .. long(4) .. '\1\2\3\4'
    assert.equal(bytes, torch.serialize(torch.ByteTensor {{1, 2}, {3, 4}}))
    local tensor = torch.deserialize(bytes)
    assert.equal('torch.ByteTensor', torch.type(tensor))
    assert.same({{1, 2}, {3, 4}}, tensor:totable())
  end)

  it('of very old files lacks the version', function()
    local tensor = torch.deserialize(int(4) .. int(1) .. text 'torch.ByteTensor'
      .. int(1) .. long(2) .. long(1) .. long(2)
      .. int(4) .. int(2) .. text 'torch.ByteStorage' .. long(3) .. '\7\8\9')
    assert.same({8, 9}, tensor:totable())
  end)

  it('of an object is its fields under the class name', function()
    local package = {}
    local Thing = torch.class('SerializeSpecThing', package)
    function Thing:__init() self.x = 'y' end
    assert.equal(int(4) .. int(1) .. text 'V 1' .. text 'SerializeSpecThing'
      .. int(3) .. int(2) .. int(1) .. int(2) .. text 'x' .. int(2) .. text 'y',
      torch.serialize(package.SerializeSpecThing()))
  end)
end)

describe('values come back', function()
  it('as they were', function()
    for _, value in ipairs {0, 1, -1, 1.5, -2.25, 1e300, 2 ^ 53, math.huge, -math.huge, '', 'text',
        'a\0b\n', true, false} do
      assert.equal(value, round(value))
    end
    assert.is_nil(round(nil))
    local nan = round(0 / 0)
    assert.is_true(nan ~= nan)
    assert.equal(-math.huge, 1 / round(-0.0))
    assert.equal(tostring(3), tostring(round(3)))
  end)

  it('in tables with any keys', function()
    local value = {1, 2, {3}, x = {y = {z = 'deep'}}, [true] = false, [1.5] = 'half'}
    assert.same(value, round(value))
  end)

  it('with shared tables shared, and cycles closed', function()
    local shared = {}
    local value = {a = shared, b = shared}
    value.me = value
    local back = round(value)
    assert.equal(back.a, back.b)
    assert.equal(back, back.me)
  end)

  it('as tensors of every type', function()
    for _, name in ipairs {'Byte', 'Char', 'Short', 'Int', 'Long', 'Float', 'Double', 'Half',
        'BFloat16', 'Bool'} do
      local tensor = torch[name .. 'Tensor'] {{1, 0, 1}, {0, 1, 1}}
      local back = round(tensor)
      assert.equal('torch.' .. name .. 'Tensor', torch.type(back))
      assert.equal(tostring(tensor), tostring(back))
    end
    assert.same({-1.5, 1e300}, round(torch.DoubleTensor {-1.5, 1e300}):totable())
  end)

  it('as views of one storage', function()
    local whole = torch.FloatTensor {{1, 2, 3}, {4, 5, 6}}
    local back = round {whole = whole, part = whole:narrow(2, 2, 2), turned = whole:t(),
      storage = whole:storage(), again = whole}
    assert.same({{2, 3}, {5, 6}}, back.part:totable())
    assert.same({{1, 4}, {2, 5}, {3, 6}}, back.turned:totable())
    back.whole:fill(9)
    assert.same({{9, 9}, {9, 9}}, back.part:totable())
    assert.equal(9, back.storage[1])
    assert.equal(9, back.turned[1][1])
    assert.is_true(torch.isequal(back.whole, back.again))
  end)

  it('as empty tensors and storages', function()
    assert.equal('[torch.FloatTensor with no dimension]\n', tostring(round(torch.FloatTensor())))
    assert.equal(0, round(torch.LongStorage()):size())
    assert.same({1, 2}, {round(torch.LongStorage {1, 2})[1], round(torch.LongStorage {1, 2})[2]})
  end)

  it('as objects, through methods of the class when it has them', function()
    local package = {}
    local Pair = torch.class('SerializeSpecPair', package)
    function Pair:__init(a, b) self.a, self.b = a, b end
    local pair = package.SerializeSpecPair(1, {2})
    pair.me = pair
    local back = round {pair, pair}
    assert.equal('SerializeSpecPair', torch.type(back[1]))
    assert.equal(back[1], back[2])
    assert.equal(back[1], back[1].me)
    assert.equal(2, back[1].b[1])
    function Pair:write(file)
      file:writeInt(self.a)
      file:writeObject(self.b)
      file:writeDouble(0.5)
      file:writeLong(7)
      file:writeBool(true)
      file:writeFloat(torch.FloatTensor({1, 2}):storage())
    end
    function Pair:read(file, version)
      self.a, self.b, self.version = file:readInt(), file:readObject(), version
      self.rest = {file:readDouble(), file:readLong(), file:readBool()}
      self.floats = file:readFloat(2)
    end
    back = round(package.SerializeSpecPair(5, {6}))
    assert.equal(5, back.a)
    assert.equal(6, back.b[1])
    assert.equal(1, back.version)
    assert.same({0.5, 7, true}, back.rest)
    assert.equal(2, back.floats[2])
  end)

  it('through a storage of bytes', function()
    local storage = torch.serializeToStorage {x = 1}
    assert.equal('torch.CharStorage', torch.type(storage))
    assert.same({x = 1}, torch.deserializeFromStorage(storage))
  end)
end)

describe('what cannot be saved is named with its place', function()
  it('functions, threads and files', function()
    local function message(value)
      return select(2, pcall(torch.serialize, value))
    end
    assert.matches('cannot save a function at %.callback$', message {callback = print})
    assert.matches('cannot save a function at %.a%.b%[2%]%["odd key"%]$',
      message {a = {b = {1, {['odd key'] = print}}}})
    assert.matches('cannot save a function at the top$', message(print))
    assert.matches('cannot save a thread at %[1%]$', message {coroutine.create(print)})
    assert.matches('cannot save a userdata at %.f$', message {f = io.stdout})
  end)

  it('values nested too deep', function()
    local value = {}
    for _ = 1, 5000 do value = {value} end
    assert.error_matches(function() torch.serialize(value) end,
      'nested deeper than 1000 at %[1%]%[1%]')
  end)

  if math.type then
    it('integers that the format would change', function()
      assert.error_matches(function() torch.serialize {n = math.maxinteger} end,
        'integer 9223372036854775807 does not fit the format.*at %.n$')
    end)
  end
end)

describe('torch.save', function()
  it('writes a file that torch.load reads', function()
    torch.save(path, {1, 'two', torch.FloatTensor {3}})
    local back = torch.load(path)
    assert.equal('two', back[2])
    assert.equal(3, back[3][1])
    torch.saveobj(path, 5)
    assert.equal(5, torch.loadobj(path))
    torch.save(path, 6, 'binary')
    assert.equal(6, torch.load(path, 'b64'))
  end)

  it('leaves the old file alone when it fails, and no other file', function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute('mkdir ' .. folder))
    local name = folder .. '/state.t7'
    torch.save(name, 'old')
    assert.error_matches(function() torch.save(name, {('x'):rep(3000000), print}) end,
      'cannot save a function at %[2%]')
    assert.equal('old', torch.load(name))
    local list = io.popen('ls ' .. folder)
    assert.equal('state.t7\n', list:read('*a'))
    list:close()
    os.execute('rm -r ' .. folder)
  end)

  it('says so when the disk is full', function()
    local device = io.open('/dev/full', 'wb')
    if not device then return end
    device:close()
    assert.error_matches(function() torch.save('/dev/full', ('x'):rep(100000)) end,
      'torch.save: /dev/full: No space left on device')
    assert.error_matches(function() torch.save('/dev/full', 1) end, 'No space left on device')
  end)

  it('names a path that cannot be written', function()
    assert.error_matches(function() torch.save('/no/such/folder/x.t7', 1) end,
      'cannot write /no/such/folder/x.t7: No such file or directory')
    assert.error_matches(function() torch.save(5, 1) end, 'expected a file name, got number')
  end)

  it('refuses forms that it does not have', function()
    assert.error_matches(function() torch.save(path, 1, 'xml') end, "got 'xml'")
    assert.error_matches(function() torch.load(path, {speed = 5}) end, "no such option: 'speed'")
  end)

  it('writes and reads ASCII', function()
    local value = {1, 'two', {three = true}, torch.DoubleTensor {0.1, 1e300, -math.huge}, '', false}
    torch.save(path, value, 'ascii')
    assert.matches('^3\n1\n6\n1\n1\n1\n1\n', read_file(path))
    local back = torch.load(path, 'ascii')
    assert.same({0.1, 1e300, -math.huge}, back[4]:totable())
    back[4], value[4] = nil, nil
    assert.same(value, back)
    assert.same(value, torch.deserialize(torch.serialize(value, 'ascii'), 'ascii'))
    assert.error_matches(function() torch.load(path) end, 'not a .t7 file in binary form')
    assert.error_matches(function() torch.load(path, {mode = 5}) end, "got '5'")
  end)

  it('writes sizes of 32 bits, too', function()
    torch.save(path, torch.FloatTensor {1, 2}, 'b32')
    assert.equal(int(4) .. int(1) .. text 'V 1' .. text 'torch.FloatTensor' .. int(1) .. int(2)
      .. int(1) .. int(1) .. int(4) .. int(2) .. text 'V 1' .. text 'torch.FloatStorage' .. int(2)
      .. '\0\0\128\63\0\0\0\64', read_file(path))
    assert.same({1, 2}, torch.load(path, 'b32'):totable())
    torch.save(path, torch.LongTensor {2 ^ 31}, 'b64')
    assert.equal(2 ^ 31, torch.load(path)[1])
    assert.error_matches(function() torch.save(path, torch.LongTensor {2 ^ 31}, 'b32') end,
      'out of range')
  end)

  it('writes what is shared as often as it appears when asked to', function()
    local shared = {5}
    torch.save(path, {shared, shared}, 'binary', false)
    local back = torch.load(path, 'binary', false)
    assert.are_not.equal(back[1], back[2])
    assert.equal(5, back[2][1])
    shared[1] = shared
    assert.error_matches(function() torch.save(path, shared, {referenced = false}) end,
      'nested deeper than 1000')
  end)

  it('writes functions and what they share when asked to', function()
    local count = 0
    local value = {add = function() count = count + 1 return count end,
      get = function() return count end}
    function value.recursive(n) return n == 0 and 0 or n + value.recursive(n - 1) end
    torch.save(path, value, {functions = true})
    assert.error_matches(function() torch.load(path) end, 'functions are refused')
    local back = torch.load(path, {functions = true})
    back.add()
    back.add()
    assert.equal(2, back.get())
    assert.equal(0, count)
    assert.equal(6, back.recursive(3))
    assert.error_matches(function() torch.save(path, {f = print}, {functions = true}) end,
      'function that is made in C at .f$')
  end)
end)

describe('torch.load', function()
  it('names the file and the place of what is wrong', function()
    assert.error_matches(function() torch.load('/no/such/file') end,
      'cannot open /no/such/file: No such file or directory')
    write_file(path, int(2) .. int(10) .. 'abc')
    assert.error_matches(function() torch.load(path) end,
      'load: ' .. path:gsub('%p', '%%%0') .. ': a string of 10 at byte 8, but only 3 bytes')
    write_file(path, int(1) .. 'abc')
    assert.error_matches(function() torch.load(path) end, 'file ends early at byte 7')
    write_file(path, '')
    assert.error_matches(function() torch.load(path) end, 'file ends early at byte 0')
    write_file(path, 'hello, world')
    assert.error_matches(function() torch.load(path) end, 'unknown object tag %d+ at byte 0')
    assert.error_matches(function() torch.load(5) end, 'expected a file name, got number')
    assert.error_matches(function() torch.load('/tmp') end, 'load: /tmp')
  end)

  it('runs no code', function()
    for tag = 6, 8 do
      assert.error_matches(function()
        torch.deserialize(int(tag) .. int(1) .. text 'return 1' .. int(0))
      end, 'there is a function at byte 0')
    end
  end)

  it('reads functions as older programs wrote them', function()
    local code = string.dump(assert((loadstring or load)('return 5')))
    local chunk = int(#code) .. code
    local upvalues = int(3) .. int(2) .. int(0)
    local function read(bytes)
      return torch.deserialize(bytes, {functions = true})
    end
    assert.equal(5, read(int(6) .. chunk .. upvalues)())
    for tag = 7, 8 do
      local both = read(int(3) .. int(9) .. int(2) .. int(1) .. ONE .. int(tag) .. int(1) .. chunk
        .. upvalues .. int(5) .. int(1) .. int(tag) .. int(1))
      assert.equal(5, both[1]())
      assert.equal(both[1], both[true])
    end
    assert.error_matches(function() read(int(8) .. int(1) .. text '\27nonsense' .. upvalues) end,
      'not made by this virtual machine')
  end)

  it('names a class that is not defined', function()
    assert.error_matches(function()
      torch.deserialize(int(4) .. int(1) .. text 'V 1' .. text 'no.such.Class' .. int(0))
    end, "class 'no.such.Class' is not defined here")
  end)

  it('believes no count', function()
    local function refused(bytes, pattern)
      assert.error_matches(function() torch.deserialize(bytes) end, pattern)
    end
    refused(int(3) .. int(1) .. int(2000000000), 'a table of 2000000000 at byte 12')
    refused(int(2) .. '\255\255\255\255', 'a string of %-1')
    local storage = int(4) .. int(1) .. text 'V 1' .. text 'torch.DoubleStorage'
    refused(storage .. ('\255'):rep(7) .. '\127', 'torch.DoubleStorage of 922337203685477580%d')
    refused(storage .. ('\255'):rep(8), 'torch.DoubleStorage of %-1')
    local tensor = int(4) .. int(1) .. text 'V 1' .. text 'torch.ByteTensor'
    refused(tensor .. int(100), '100 dimensions')
    refused(tensor .. int(-1), '%-1 dimensions')
    local tail = int(4) .. int(2) .. text 'V 1' .. text 'torch.ByteStorage' .. long(4) .. 'abcd'
    refused(tensor .. int(1) .. long(5) .. long(1) .. long(1) .. tail, 'reaches beyond its storage')
    refused(tensor .. int(1) .. long(2) .. long(9) .. long(1) .. tail, 'reaches beyond its storage')
    refused(tensor .. int(1) .. long(4) .. long(1) .. long(0) .. tail, 'reaches beyond')
    refused(tensor .. int(1) .. long(4) .. long(1) .. long(1) .. int(0), 'reaches beyond')
    refused(tensor .. int(1) .. ('\255'):rep(8) .. long(1) .. long(1) .. tail, 'size %-1')
    refused(tensor .. int(1) .. long(2) .. ('\255'):rep(8) .. long(2) .. tail, 'stride %-1')
    refused(tensor .. int(1) .. long(2) .. long(1) .. long(1) .. int(1) .. ONE,
      'torch.ByteTensor with a number')
    refused(int(3) .. int(1) .. int(1) .. int(0) .. int(0), 'key that is nil or NaN')
  end)

  it('bounds the depth', function()
    local parts = {}
    for i = 1, 3000 do parts[i] = int(3) .. int(i) .. int(1) .. int(1) .. ONE end
    assert.error_matches(function() torch.deserialize(table.concat(parts) .. ('\0'):rep(99)) end,
      'nested deeper than 1000')
  end)

  it('survives every truncation and many broken bytes of a file', function()
    local bytes = torch.serialize {1, 'two', {three = true}, torch.FloatTensor {{1, 2}, {3, 4}}:t(),
      torch.LongStorage {5, 6}}
    local accepted = {}
    for n = 0, #bytes - 1 do
      if pcall(torch.deserialize, bytes:sub(1, n)) then accepted[#accepted + 1] = n end
    end
    assert.same({}, accepted)
    local seed, failed, strange = 1, 0, nil
    for _ = 1, 5000 do
      seed = (seed * 16807) % 2147483647
      local at = seed % #bytes + 1
      seed = (seed * 16807) % 2147483647
      local broken = bytes:sub(1, at - 1) .. string.char(seed % 256) .. bytes:sub(at + 1)
      local ok, message = pcall(torch.deserialize, broken)
      if not ok then
        failed = failed + 1
        if not message:find('load: string: ', 1, true) then strange = message end
      end
    end
    assert.is_nil(strange)
    assert.is_true(failed > 100)
  end)

  it('pauses as it reads, and between parts of what is large', function()
    local value = {torch.range(1, 600000), torch.range(1, 300000):long(), {1, 'two'}}
    local count = 0
    local function pause() count = count + 1 end
    for _, mode in ipairs {'binary', 'b32', 'ascii'} do
      torch.save(path, value, mode)
      count = 0
      local back = torch.load(path, mode, {pause = pause})
      assert.is_true(value[1]:equal(back[1]))
      assert.is_true(value[2]:equal(back[2]))
      assert.equal('two', back[3][2])
      assert.equal(mode == 'ascii' and 13 or 18, count)
    end
    local bytes = torch.serialize(value[1])
    assert.error_matches(function() torch.deserialize(bytes:sub(1, -2), {pause = pause}) end,
      'bytes are left')
    local thread = coroutine.wrap(function()
      return torch.load(path, 'ascii', {pause = coroutine.yield})
    end)
    for _ = 1, 13 do thread() end
    assert.equal('two', thread()[3][2])
  end)

  it('reads what it wrote again and again to the same bytes', function()
    local value = torch.FloatTensor {1, 2, 3}
    local bytes = torch.serialize(value)
    torch.save(path, value)
    assert.equal(bytes, read_file(path))
    assert.equal(bytes, torch.serialize(torch.load(path)))
  end)
end)
