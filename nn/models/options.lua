--- The options of models: one table, whose names and values are checked.
--
--   local size, share = options.size, options.share
--   local o = options.read('VGG', given, {depth = size(16), dropout = share(0.5), bias = true})
local options = {}

local function fail(model, text, ...)
  error(('nn.%s: '):format(model) .. text:format(...), 0)
end

-- The keys of a table, all words or all numbers, as text.
local function keys(list)
  local known = {}
  for name in pairs(list) do known[#known + 1] = name end
  table.sort(known)
  for i, name in ipairs(known) do known[i] = tostring(name) end
  return table.concat(known, ', ')
end

-- ---------------------------------------------------------------------------------------------
-- Kinds of options. Without a default the option has to be given.

local Kind = {}
Kind.__index = Kind

local function kind(text, test)
  return function(default)
    return setmetatable({default = default, text = text, test = test}, Kind)
  end
end

local function is_number(value)
  return type(value) == 'number' and value == value
end

--- A number of units, layers, pixels.
options.size = kind('a whole number above 0', function(value)
  return is_number(value) and value % 1 == 0 and value >= 1 and value < 2 ^ 53
end)

--- A probability.
options.share = kind('a number from 0 to below 1', function(value)
  return is_number(value) and value >= 0 and value < 1
end)

--- A factor.
options.factor = kind('a number above 0', function(value)
  return is_number(value) and value > 0 and value < math.huge
end)

--- One of the keys of `choices`; read gives the value that belongs to it.
function options.choice(default, choices)
  return setmetatable({default = default, text = 'one of ' .. keys(choices), choices = choices,
    test = function(value) return choices[value] ~= nil end}, Kind)
end

-- ---------------------------------------------------------------------------------------------

local function read_one(model, name, value, wanted)
  local is_kind = getmetatable(wanted) == Kind
  if value == nil then
    if is_kind then value = wanted.default else value = wanted end
  end
  if not is_kind and type(value) ~= type(wanted) then
    fail(model, '%s: a %s expected, got %s', name, type(wanted), type(value))
  elseif is_kind and (value == nil or not wanted.test(value)) then
    fail(model, '%s: %s expected, got %s', name, wanted.text, tostring(value))
  end
  if is_kind and wanted.choices then return wanted.choices[value] end
  return value
end

--- What the user gave, and the defaults of what is not given. known: by name a kind, or a default
-- whose type the value has to have.
function options.read(model, given, known)
  if given ~= nil and type(given) ~= 'table' then
    fail(model, 'a table of options expected (%s), got %s', keys(known), type(given))
  end
  for name in pairs(given or {}) do
    if known[name] == nil then
      fail(model, "no option '%s'; there are %s", tostring(name), keys(known))
    end
  end
  local out = {}
  for name, wanted in pairs(known) do
    local value
    if given then value = given[name] end
    out[name] = read_one(model, name, value, wanted)
  end
  return out
end

return options
