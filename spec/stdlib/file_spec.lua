-- torch.DiskFile, torch.MemoryFile and torch.PipeFile.
local torch = require 'torch'

local path = os.tmpname()
teardown(function() os.remove(path) end)

local KINDS = {'Byte', 'Char', 'Short', 'Int', 'Long', 'Float', 'Double'}

local function contents(name)
  local file = assert(io.open(name, 'rb'))
  local bytes = file:read('*a')
  file:close()
  return bytes
end

local function put(bytes)
  local file = assert(io.open(path, 'wb'))
  file:write(bytes)
  file:close()
end

-- The bytes that a function writes into an ASCII file, or a binary one.
local function ascii(write)
  local file = torch.MemoryFile()
  write(file)
  return (file:storage():string():gsub('%z$', ''))
end

local function binary(write)
  return ascii(function(file) write(file:binary()) end)
end

describe('numbers in files', function()
  it('are a line for each number and array in ASCII', function()
    assert.equal('5\n', ascii(function(f) f:writeInt(5) end))
    assert.equal('-7\n12\n', ascii(function(f) f:writeShort(-7) f:writeLong(12) end))
    assert.equal('1 2 3\n', ascii(function(f) f:writeLong(torch.LongStorage {1, 2, 3}) end))
    assert.equal('', ascii(function(f) f:writeLong(torch.LongStorage()) end))
    assert.equal('0.333333343 1.00000002e+20\n',
      ascii(function(f) f:writeFloat(torch.FloatStorage {1 / 3, 1e20}) end))
    assert.equal('0.33333333333333331\n', ascii(function(f) f:writeDouble(1 / 3) end))
    assert.equal('inf\n-inf\n', ascii(function(f)
      f:writeDouble(math.huge)
      f:writeFloat(-math.huge)
    end))
    assert.equal('A\n', ascii(function(f) f:writeByte(65) end))
    assert.equal('AB\n', ascii(function(f) f:writeChar(torch.CharStorage {65, 66}) end))
    assert.equal('1\n0\n', ascii(function(f) f:writeBool(true) f:writeBool(false) end))
    assert.equal('text', ascii(function(f) f:writeString('text') end))
    assert.equal('567', ascii(function(f) f:noAutoSpacing():writeInt(56) f:writeInt(7) end))
  end)

  it('are their bytes in binary form', function()
    assert.equal('\1\2\3\0\4\0\0\0\5\0\0\0\0\0\0\0', binary(function(f)
      f:writeByte(1)
      f:writeChar(2)
      f:writeShort(3)
      f:writeInt(4)
      f:writeLong(5)
    end))
    assert.equal('\0\0\128\63\0\0\0\0\0\0\240\63', binary(function(f)
      f:writeFloat(1)
      f:writeDouble(1)
    end))
    assert.equal('\255\255', binary(function(f) f:writeByte(255) f:writeChar(-1) end))
  end)

  it('come back', function()
    for _, form in ipairs {'ascii', 'binary'} do
      for _, kind in ipairs(KINDS) do
        local file = torch.MemoryFile()
        file[form](file)
        local storage = torch[kind .. 'Storage'] {1, 2, 127}
        file['write' .. kind](file, 9)
        assert.equal(3, file['write' .. kind](file, storage))
        file['write' .. kind](file, storage)
        file:seek(1)
        assert.equal(9, file['read' .. kind](file))
        local back = file['read' .. kind](file, 3)
        assert.equal('torch.' .. kind .. 'Storage', torch.type(back))
        assert.same({1, 2, 127}, back:totable())
        back:fill(0)
        assert.equal(3, file['read' .. kind](file, back))
        assert.same({1, 2, 127}, back:totable())
        assert.error_matches(function() return file['read' .. kind](file) end, 'file ends early')
        assert.equal(0, file['read' .. kind](file, 0):size())
      end
    end
  end)

  it('refuse what does not fit', function()
    local file = torch.MemoryFile()
    assert.error_matches(function() file:writeByte(256) end, 'does not fit')
    assert.error_matches(function() file:writeInt(0 / 0) end, 'does not fit')
    assert.error_matches(function() file:writeInt('x') end, 'number or IntStorage expected')
    assert.error_matches(function() file:writeInt(torch.LongStorage {1}) end, 'IntStorage expected')
    assert.error_matches(function() file:readInt(-1) end, 'negative')
    assert.error_matches(function() file.readInt(5) end, 'torch.File expected')
    assert.error_matches(function() file.readInt({}) end, 'torch.File expected')
    put('12 99999999999 x')
    local disk = torch.DiskFile(path)
    assert.equal(12, disk:readInt())
    assert.error_matches(function() return disk:readInt() end, 'no number')
    assert.error_matches(function() return disk:readDouble() end, 'no number')
  end)

  it('of texts that numbers are in', function()
    put('  12\n-3\t+4 1.5e3 -inf nan .5 1e999\n7x')
    local file = torch.DiskFile(path)
    assert.same({12, -3, 4}, file:readInt(3):totable())
    assert.equal(1500, file:readFloat())
    assert.equal(-math.huge, file:readDouble())
    local nan = file:readDouble()
    assert.is_true(nan ~= nan)
    assert.same({0.5, math.huge}, file:readDouble(2):totable())
    assert.equal(7, file:readLong())
    assert.equal('x', file:readString('*a'))
  end)

  it('move in bulk', function()
    local values = torch.FloatTensor(300000):uniform()
    for _, form in ipairs {'ascii', 'binary'} do
      local file = torch.DiskFile(path, 'w')
      file[form](file):writeFloat(values:storage())
      file:close()
      file = torch.DiskFile(path)
      assert.is_true(torch.FloatTensor(file[form](file):readFloat(300000)):equal(values))
      file:close()
    end
  end)

  it('have another order of bytes when asked', function()
    local file = torch.DiskFile(path, 'w'):binary():bigEndianEncoding()
    file:writeInt(1)
    file:writeDouble(torch.DoubleStorage {1, 2})
    file:littleEndianEncoding():writeShort(1)
    file:longSize(4):writeLong(7)
    file:close()
    assert.equal('\0\0\0\1\63\240\0\0\0\0\0\0\64\0\0\0\0\0\0\0\1\0\7\0\0\0', contents(path))
    file = torch.DiskFile(path):binary():bigEndianEncoding()
    assert.equal(1, file:readInt())
    assert.same({1, 2}, file:readDouble(2):totable())
    assert.equal(file:isLittleEndianCPU() and 1 or 256, file:nativeEndianEncoding():readShort())
    file:littleEndianEncoding()
    assert.equal(7, file:longSize(4):readLong(1)[1])
    assert.is_boolean(file:isLittleEndianCPU())
    assert.error_matches(function() file:longSize(5) end, '0, 4 or 8')
  end)
end)

describe('errors of files', function()
  it('name the line of the caller', function()
    local file = torch.MemoryFile()
    for _, use in ipairs {
      function() file:writeByte(256) end, function() return (file:readInt()) end,
      function() return (file:readBool()) end, function() torch.DiskFile('/no/such/file') end,
      function() torch.MemoryFile(torch.CharStorage {1}) end, function() torch.DiskFile() end,
      function() file:readObject() end, function() file:writeObject(print) end,
      function() torch.load('/no/such/file') end, function() torch.File() end,
    } do
      local _, message = pcall(use)
      assert.matches('^%S*spec/stdlib/file_spec%.lua:%d+: ', message)
    end
  end)
end)

describe('strings in files', function()
  it('are read by lines or as a whole', function()
    put('one\n\nthree\nlast')
    local file = torch.DiskFile(path)
    assert.equal('one', file:readString('*l'))
    assert.equal('', file:readString('*l'))
    assert.equal('three', file:readString('*l'))
    assert.equal('last', file:readString('*l'))
    assert.error_matches(function() file:readString('*l') end, 'file ends early')
    file:seek(1)
    assert.equal('one\n\nthree\nlast', file:readString('*a'))
    assert.equal('', file:quiet():readString('*a'))
    assert.is_true(file:hasError())
    local line = ('x'):rep(100000)
    put(line .. '\n' .. line)
    file = torch.DiskFile(path)
    assert.equal(line, file:readString('*l'))
    assert.equal(line, file:readString('*a'))
    assert.equal(3, torch.MemoryFile():writeString('a\0b'))
  end)
end)

describe('a file', function()
  it('knows its state', function()
    local file = torch.MemoryFile()
    assert.is_true(torch.isTypeOf(file, 'torch.File'))
    assert.equal('torch.MemoryFile', torch.type(file))
    assert.same({false, true, true, false, true, true, false}, {file:isQuiet(), file:isReadable(),
      file:isWritable(), file:isBinary(), file:isAutoSpacing(), file:isReferenced(),
      file:hasError()})
    for _, method in ipairs {'binary', 'ascii', 'autoSpacing', 'noAutoSpacing', 'quiet', 'pedantic',
        'clearError', 'synchronize', 'seekEnd', 'referenced'} do
      assert.equal(file, file[method](file))
    end
    assert.is_false(file:referenced(false):isReferenced())
    assert.matches('torch.MemoryFile %[status: open %-%- mode rw%]', tostring(file))
    file:close()
    assert.error_matches(function() file:readInt() end, 'closed file')
    assert.error_matches(function() file:close() end, 'closed file')
    assert.matches('closed', tostring(file))
  end)

  it('has positions from 1 on', function()
    local file = torch.MemoryFile():binary()
    assert.equal(1, file:position())
    file:writeInt(5)
    file:writeInt(6)
    assert.equal(9, file:position())
    assert.equal(6, file:seek(5):readInt())
    file:seek(1):writeInt(7)
    assert.equal(7, file:seek(1):readInt())
    assert.equal(9, file:seekEnd():position())
    assert.error_matches(function() file:seek(10) end, 'unable to seek at position 10')
    assert.error_matches(function() file:seek(0) end, 'start at 1')
  end)

  it('that is quiet tells by hasError', function()
    local file = torch.MemoryFile():binary():quiet()
    assert.equal(0, file:readInt())
    assert.is_true(file:hasError())
    assert.is_false(file:clearError():hasError())
    assert.equal(0, file:readFloat(1e12):size())
    assert.is_true(file:hasError())
    assert.is_nil(file:readObject())
    file:seek(99)
    assert.is_true(file:hasError())
    assert.error_matches(function() file:pedantic():readInt() end, 'read 0 blocks instead of 1')
  end)

  it('opens in its modes', function()
    put('1 2')
    local file = torch.DiskFile(path)
    assert.error_matches(function() file:writeInt(1) end, 'read%-only')
    file = torch.DiskFile(path, 'rw')
    assert.equal(1, file:readInt())
    file:writeString('3')
    assert.equal(2, file:readInt())
    file:seekEnd():writeString(' 4')
    file:seek(1)
    assert.equal('132 4', (file:readString('*a'):gsub('^1 ?', '1')))
    file:close()
    file = torch.DiskFile(path, 'w')
    assert.error_matches(function() file:readInt() end, 'write%-only')
    file:close()
    assert.equal('', contents(path))
    os.remove(path)
    assert.error_matches(function() torch.DiskFile(path) end,
      'cannot open <.-> in mode r: No such file')
    assert.is_nil(torch.DiskFile(path, 'r', true))
    torch.DiskFile(path, 'rw'):close()
    assert.equal('', contents(path))
    assert.error_matches(function() torch.DiskFile(path, 'x') end, "should be 'r', 'w' or 'rw'")
    assert.error_matches(function() torch.DiskFile() end, 'file name expected')
    assert.error_matches(function() torch.DiskFile('/tmp') end, 'Is a directory')
    assert.error_matches(function() torch.File() end, 'use torch.DiskFile')
  end)

  it('may grow while it is read', function()
    local file = torch.DiskFile(path, 'w'):binary()
    file:writeInt(1)
    file:synchronize()
    local reader = torch.DiskFile(path):binary()
    assert.equal(1, reader:readInt())
    assert.error_matches(function() reader:readInt() end, 'ends early')
    file:writeInt(torch.IntStorage {2, 3})
    file:writeObject('text')
    file:close()
    assert.same({2, 3}, reader:readInt(2):totable())
    assert.equal('text', reader:readObject())
  end)

  it('in memory is its storage', function()
    local file = torch.MemoryFile()
    file:writeString('abc')
    assert.equal('abc\0', file:storage():string())
    assert.equal('torch.CharStorage', torch.type(file:storage()))
    local storage = torch.CharStorage {49, 32, 50, 0}
    file = torch.MemoryFile(storage, 'r')
    assert.same({1, 2}, file:readInt(2):totable())
    assert.error_matches(function() file:writeInt(1) end, 'read%-only')
    file = torch.MemoryFile(storage)
    file:writeString('7')
    assert.equal(55, storage[1])
    storage:resize(1)
    assert.error_matches(function() file:readInt() end, 'ends early')
    assert.equal('w', tostring(torch.MemoryFile('w')):match('mode (%a+)'))
    assert.error_matches(function() torch.MemoryFile(torch.CharStorage {1}) end,
      'terminated by 0')
    assert.error_matches(function() torch.MemoryFile('q') end, 'file mode')
    assert.error_matches(function() torch.MemoryFile(5) end, 'storage expected')
  end)

  it('is a pipe', function()
    local file = torch.PipeFile('echo 1 2 3; echo text')
    assert.same({1, 2, 3}, file:readInt(3):totable())
    assert.equal('text', file:readString('*l'))
    assert.error_matches(function() file:seek(1) end, 'unable to seek')
    file:close()
    file = torch.PipeFile('cat > ' .. path, 'w')
    file:writeString('through a pipe')
    file:close()
    assert.equal('through a pipe', contents(path))
    file = torch.PipeFile('head -c 1000000 /dev/zero'):binary()
    assert.error_matches(function() file:readDouble(1e13) end, 'read 125000 blocks instead of 10')
    file = torch.PipeFile('seq 1 200000')
    assert.equal(200000, file:readInt(200000)[200000])
    assert.error_matches(function() torch.PipeFile('true', 'rw') end, "should be 'r' or 'w'")
  end)

  it('is a pipe whose reader has gone', function()
    local file = torch.PipeFile('true', 'w')
    assert.error_matches(function() for i = 1, 1e6 do file:writeInt(i) end end, 'Broken pipe')
    file:close()
  end)
end)

describe('objects in files', function()
  it('are remembered by the file', function()
    for _, form in ipairs {'ascii', 'binary'} do
      local file = torch.MemoryFile()
      file[form](file)
      local shared, tensor = {5}, torch.LongTensor {1, 2}
      file:writeObject({shared, tensor})
      file:writeObject(shared)
      file:writeObject(tensor)
      file:writeObject('end')
      file:seek(1)
      local both = file:readObject()
      assert.equal(both[1], file:readObject())
      assert.is_true(torch.isequal(both[2], file:readObject()))
      assert.equal('end', file:readObject())
      assert.error_matches(function() file:readObject() end, 'file ends early')
    end
  end)

  it('of every type are in ASCII, too', function()
    for _, kind in ipairs {'Byte', 'Char', 'Short', 'Int', 'Long', 'Float', 'Double', 'Half',
        'BFloat16', 'Bool'} do
      local tensor = torch[kind .. 'Tensor'] {{1, 0, 1}, {0, 1, 1}}
      local back = torch.deserialize(torch.serialize(tensor, 'ascii'), 'ascii')
      assert.equal(tensor:type(), back:type())
      assert.equal(tostring(tensor), tostring(back))
    end
    local half = torch.HalfTensor {0.5, -2048, 65504}
    assert.same({0.5, -2048, 65504},
      torch.deserialize(torch.serialize(half, 'ascii'), 'ascii'):totable())
  end)

  it('pass through a hook', function()
    local file = torch.MemoryFile()
    file:writeObject({1, {2, 'x'}}, 'name', function(value)
      return type(value) == 'number' and -value or value
    end)
    assert.same({[-1] = -1, [-2] = {[-1] = -2, [-2] = 'x'}}, file:seek(1):readObject())
    assert.error_matches(function() file:writeObject({f = print}, 'thing') end,
      'thing: cannot save a function at %.f')
    assert.is_true(file:isWritableObject({}))
    assert.is_false(file:isWritableObject(print))
    assert.is_true(file:functions(true):isWritableObject(print))
    assert.is_false(file:isWritableObject(io.stdout))
  end)

  it('of the GPU go to one, or into memory', function()
    local bytes = torch.serialize(torch.FloatTensor {1, 2})
    local function cuda(what)
      return '\16\0\0\0torch.Cuda' .. what
    end
    bytes = bytes:gsub('\17%z%z%ztorch%.FloatTensor', cuda 'Tensor')
      :gsub('\18%z%z%ztorch%.FloatStorage', '\17\0\0\0torch.CudaStorage')
    local tensor = torch.deserialize(bytes)
    local there = torch.cuda.is_available() and 'Cuda' or 'Float'
    assert.equal(('torch.%sTensor'):format(there), torch.type(tensor))
    assert.same({1, 2}, tensor:totable())
    tensor = torch.deserialize(bytes, {device = 'cpu'})
    assert.equal('torch.FloatTensor', torch.type(tensor))
    assert.has_error(function() torch.serialize(tensor, {device = 'cpu'}) end)
  end)

  it('write and read themselves without a name', function()
    local file = torch.MemoryFile():binary()
    local tensor = torch.IntTensor {{1, 2}, {3, 4}}
    tensor:write(file)
    tensor:storage():write(file)
    file:seek(1)
    local back, storage = torch.IntTensor(), torch.IntStorage()
    back:read(file)
    storage:read(file)
    assert.same({{1, 2}, {3, 4}}, back:totable())
    assert.same({1, 2, 3, 4}, storage:totable())
  end)

  it('of broken ASCII give an error', function()
    local bytes = torch.serialize({1, 'two', {true}, torch.FloatTensor {{1, 2}, {3, 4}}}, 'ascii')
    local function try(broken)
      local ok, message = pcall(torch.deserialize, broken, 'ascii')
      if not ok then assert.matches('load: string: ', message) end
      return ok
    end
    for n = 0, #bytes - 2 do assert.is_false(try(bytes:sub(1, n))) end
    local seed = 7
    for _ = 1, 3000 do
      seed = (seed * 16807) % 2147483647
      local at = seed % #bytes + 1
      seed = (seed * 16807) % 2147483647
      try(bytes:sub(1, at - 1) .. string.char(seed % 256) .. bytes:sub(at + 1))
    end
  end)

  it('of a pipe are not believed', function()
    -- a table, a string and a storage that claim to be larger than all memory
    local file = torch.PipeFile([[printf '3\n1\n2000000000\n1\n5\n']])
    assert.error_matches(function() file:readObject() end, 'file ends early')
    file = torch.PipeFile([[printf '2\n2000000000\nabc']])
    assert.error_matches(function() file:readObject() end, 'file ends early')
    file = torch.PipeFile([[printf '4\n1\n3\nV 1\n19\ntorch.DoubleStorage\n8000000000000\n1 2 3']])
    assert.error_matches(function() file:readObject() end, 'file ends early')
  end)
end)
