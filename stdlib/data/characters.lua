--- Text as numbers, a class for each byte that occurs, in the order of the bytes.
--
--   local alphabet = data.characters(text)
--   alphabet.size                       -- how many there are
--   alphabet.text                       -- each once: data.characters(alphabet.text) is the same
--   alphabet:encode('To be')            -- torch.LongTensor, 1 to size
--   alphabet:decode(tensor)             -- 'To be'
local core = require 'torch.core'
local torch = require 'torch'

local Alphabet = {}
Alphabet.__index = Alphabet

local function bytes_of(text)
  return core.from_string('torch.ByteTensor', text):long():add(1)
end

local function new(text)
  local classes = torch.LongTensor(256):zero() -- of byte - 1; 0 where there is none
  for i = 1, #text do classes[text:byte(i) + 1] = i end
  return setmetatable({text = text, size = #text, classes = classes}, Alphabet)
end

--- The class of each byte.
function Alphabet:encode(text)
  if type(text) ~= 'string' then
    error(('encode: a text expected, got %s'):format(type(text)), 2)
  end
  if text == '' then return torch.LongTensor() end
  local classes = self.classes:index(1, bytes_of(text))
  if classes:min() > 0 then return classes end
  local at = 1
  while classes[at] > 0 do at = at + 1 end
  error(('encode: byte %d of the text, %q, is none of the %d that the alphabet has'):format(at,
    text:sub(at, at), self.size), 2)
end

--- The text of a tensor of classes, or of one number.
function Alphabet:decode(classes)
  if type(classes) == 'number' then classes = {classes} end
  if torch.isTensor(classes) then classes = torch.totable_flat(classes) end
  local out = {}
  for i, class in ipairs(classes) do
    if class < 1 or class > self.size or class % 1 ~= 0 then
      error(('decode: class %s at position %d, expected 1 to %d'):format(tostring(class), i,
        self.size), 2)
    end
    out[i] = self.text:sub(class, class)
  end
  return table.concat(out)
end

--- data.characters(text): the alphabet of a text.
return function(text)
  if type(text) ~= 'string' or text == '' then
    error('data.characters: a text expected that is not empty', 2)
  end
  local found = {}
  for byte, count in ipairs(torch.totable_flat(torch.bincount(bytes_of(text)))) do
    if count > 0 then found[#found + 1] = string.char(byte - 1) end
  end
  return new(table.concat(found))
end
