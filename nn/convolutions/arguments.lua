--- Arguments of the layers that have PyTorch's names: by position, by name in a table that comes
-- last, or some by position and the rest by name.
local torch = require 'torch'

local arguments = {}

local function fail(module, text, ...)
  error(('%s: ' .. text):format(torch.type(module), ...), 0)
end

local function is_options(value)
  if type(value) ~= 'table' or getmetatable(value) then return false end
  local key = next(value)
  return key == nil or type(key) == 'string'
end

--- names: 'in_channels out_channels kernel_size', say. Returns what was given, by name.
function arguments.read(module, names, ...)
  local list, known, given = {}, {}, {}
  for name in names:gmatch('%S+') do
    list[#list + 1] = name
    known[name] = true
  end
  local count, options = select('#', ...), {}
  if count > 0 and is_options((select(count, ...))) then
    options = select(count, ...)
    count = count - 1
  end
  if count > #list then
    fail(module, '%d arguments at most expected (%s), got %d', #list, names, count)
  end
  for i = 1, count do given[list[i]] = (select(i, ...)) end
  for name, value in pairs(options) do
    if not known[name] then
      fail(module, "no option '%s'; there are %s", tostring(name), names:gsub(' ', ', '))
    end
    if given[name] ~= nil then fail(module, '%s was given twice', name) end
    given[name] = value
  end
  return given
end

--- A whole number from `least` on.
function arguments.whole(module, name, value, least)
  if type(value) ~= 'number' or value % 1 ~= 0 or value < least then
    fail(module, '%s: a whole number%s expected, got %s', name,
      least > -math.huge and (' from %d on'):format(least) or '', tostring(value))
  end
  return value
end

--- n whole numbers from `least` on, or one that stands for all of them, as a table.
function arguments.vector(module, name, value, n, least)
  local vector = {}
  if type(value) == 'table' and #value ~= n then
    fail(module, '%s: a number or a table of %d expected, got a table of %d', name, n, #value)
  end
  for d = 1, n do
    vector[d] = arguments.whole(module, name, type(value) == 'table' and value[d] or value, least)
  end
  return vector
end

--- One of the words of a list.
function arguments.word(module, name, value, words)
  for _, word in ipairs(words) do
    if value == word then return value end
  end
  fail(module, "%s: one of '%s' expected, got %s", name, table.concat(words, "', '"),
    tostring(value))
end

--- A value as it may be written in a program; a vector of equal numbers as one.
function arguments.text(value)
  if value == 'nil' then return value end
  if type(value) == 'string' then return ("'%s'"):format(value) end
  if type(value) == 'number' then return ('%.14g'):format(value) end
  if type(value) ~= 'table' then return tostring(value) end
  local parts, same = {}, true
  for i, part in ipairs(value) do
    parts[i] = arguments.text(part)
    same = same and parts[i] == parts[1]
  end
  return same and parts[1] or '{' .. table.concat(parts, ', ') .. '}'
end

--- 'nn.Conv2d(3, 16, 5, {stride=2})': the fields of `first`, and those of `others`, a list of name
-- and usual value in turn, that are not as usual.
function arguments.call(module, first, others)
  local parts, options = {}, {}
  for name in first:gmatch('%S+') do parts[#parts + 1] = arguments.text(module[name]) end
  for i = 1, #others, 2 do
    local name, text = others[i], arguments.text(module[others[i]])
    if text ~= arguments.text(others[i + 1]) then options[#options + 1] = name .. '=' .. text end
  end
  if #options > 0 then parts[#parts + 1] = '{' .. table.concat(options, ', ') .. '}' end
  return ('%s(%s)'):format(torch.type(module), table.concat(parts, ', '))
end

return arguments
