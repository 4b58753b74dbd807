--- Reads idx files, plain or gzipped: the format of MNIST and its relatives.
-- Bytes 0, 0, type, number of dimensions; each size as a big-endian int32; the values.
local core = require 'torch.core'

local idx = {}

local GZIP_MAGIC = '\31\139'
-- What a compressed file may grow to, unless the caller says so: a small file can hold a bomb.
local MAX_BYTES = 2 ^ 31
local MAX_DIMS = 8

-- Type byte -> tensor type and bytes of a value.
local types = {
  [0x08] = {'torch.ByteTensor', 1}, [0x09] = {'torch.CharTensor', 1},
  [0x0B] = {'torch.ShortTensor', 2}, [0x0C] = {'torch.IntTensor', 4},
  [0x0D] = {'torch.FloatTensor', 4}, [0x0E] = {'torch.DoubleTensor', 8},
}

local function fail(label, message, ...)
  error(label .. ': ' .. message:format(...), 0)
end

local function big_endian(bytes, at)
  local a, b, c, d = bytes:byte(at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

-- Values come in big-endian order; tensors keep the machine's.
local is_big_endian = core.from_string('torch.ShortTensor', '\0\1')[1] == 1
local swaps = is_big_endian and {} or {
  [2] = {'(.)(.)', '%2%1'},
  [4] = {'(.)(.)(.)(.)', '%4%3%2%1'},
  [8] = {'(.)(.)(.)(.)(.)(.)(.)(.)', '%8%7%6%5%4%3%2%1'},
}

local function read_header(bytes, label)
  if #bytes < 4 then fail(label, 'the header needs 4 bytes, the file has %d', #bytes) end
  local zero1, zero2, code, dims = bytes:byte(1, 4)
  if zero1 ~= 0 or zero2 ~= 0 or not types[code] then
    fail(label, 'not an idx file (it begins with bytes %d %d %d %d)', zero1, zero2, code, dims)
  end
  if dims < 1 or dims > MAX_DIMS then
    fail(label, '%d dimensions (expected 1 to %d)', dims, MAX_DIMS)
  end
  if #bytes < 4 + 4 * dims then
    fail(label, 'the header of %d dimensions needs %d bytes, the file has %d', dims, 4 + 4 * dims,
      #bytes)
  end
  -- Sizes out of a broken file would overflow integers, so the product is a float.
  local sizes, count = {}, 1.0
  for d = 1, dims do
    sizes[d] = big_endian(bytes, 1 + 4 * d)
    count = count * sizes[d]
  end
  return types[code], sizes, count
end

--- idx.parse(bytes [, label]) -> a tensor, from the bytes of a plain file.
-- The label names the source in errors.
function idx.parse(bytes, label)
  label = label or 'string'
  local kind, sizes, count = read_header(bytes, label)
  local type_name, width = kind[1], kind[2]
  local header = 4 + 4 * #sizes
  if #bytes ~= header + count * width then
    fail(label, '%s values of %d bytes need %.0f bytes after the header, the file has %d',
      table.concat(sizes, 'x'), width, count * width, #bytes - header)
  end
  if count == 0 then fail(label, 'no values (%s)', table.concat(sizes, 'x')) end
  local values = bytes:sub(header + 1)
  local swap = swaps[width]
  if swap then values = values:gsub(swap[1], swap[2]) end
  local unpack = table.unpack or unpack
  return core.from_string(type_name, values):view(unpack(sizes))
end

-- gunzip(source) or gunzip_file(path). Where in this file it was called is of no use to anybody.
local function decompress(name, source)
  local ok, result = pcall(require('moonlet.gzip')[name], source, MAX_BYTES)
  if ok then return result end
  error(type(result) == 'string' and result:gsub('^[^:]+:%d+: ', '') or result, 0)
end

local function read_bytes(path)
  local file, why = io.open(path, 'rb')
  if not file then fail(path, 'cannot open: %s', (why:gsub('^.*: ', ''))) end
  local magic = file:read(2)
  local bytes, read_why
  if magic and magic ~= GZIP_MAGIC and file:seek('set') then bytes, read_why = file:read('*a') end
  file:close()
  if magic == GZIP_MAGIC then return decompress('gunzip_file', path) end
  if not bytes then fail(path, 'cannot read: %s', read_why or 'the file is empty') end
  return bytes
end

--- idx.open(path) -> a tensor of the file's type and sizes. Errors have no position.
function idx.open(path)
  return idx.parse(read_bytes(path), path)
end

--- idx.read(path): the same, with errors at the caller's line; this is `data.idx`.
function idx.read(path)
  if type(path) ~= 'string' then
    error(('data.idx: expected a file name, got %s'):format(type(path)), 2)
  end
  local ok, result = pcall(idx.open, path)
  if not ok then error(type(result) == 'string' and 'data.idx: ' .. result or result, 2) end
  return result
end

--- idx.unpack(bytes, label): a tensor from the bytes of a file, gzipped or not.
function idx.unpack(bytes, label)
  if bytes:sub(1, 2) == GZIP_MAGIC then bytes = decompress('gunzip', bytes) end
  return idx.parse(bytes, label)
end

return idx
