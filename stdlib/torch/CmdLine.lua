--- Command line options with defaults and help, as Torch7's torch.CmdLine.
local class = require 'torch.class'

local package = {}
local CmdLine = class.class('torch.CmdLine', package)

-- '--learningRate' -> 'learningRate'.
local function strip(key)
  return (key:gsub('^%-*', ''))
end

local function pad(text, width)
  return text .. (' '):rep(width - #text)
end

--- The separators are used by `string` only.
function CmdLine:__init(argument_separator, key_separator)
  self.argseparator = argument_separator or ','
  self.keyseparator = key_separator or '='
  self.options = {}
  self.arguments = {}
  self.helplines = {}
  self.dateformat = nil
  self.silentio = false
end

--- A line of text in the help; without argument an empty line.
function CmdLine:text(line)
  table.insert(self.helplines, line or '')
end

--- A required argument, by position. kind: 'string' (default), 'number' or 'boolean'.
function CmdLine:argument(key, help, kind)
  local argument = {key = key, help = help, type = kind or 'string'}
  table.insert(self.arguments, argument)
  table.insert(self.helplines, argument)
end

--- An option such as '-epochs'; its type is that of the default.
function CmdLine:option(key, default, help, kind)
  if default == nil then error(('CmdLine: option %s has no default value'):format(key), 2) end
  kind = kind or type(default)
  if type(default) ~= kind then
    error(('CmdLine: the default of option %s is a %s, not a %s'):format(key, type(default),
      kind), 2)
  end
  local option = {key = key, default = default, help = help, type = kind}
  self.options[key] = option
  table.insert(self.helplines, option)
end

--- All options with their defaults, under their names without dashes.
function CmdLine:default()
  local params = {}
  for key, option in pairs(self.options) do params[strip(key)] = option.default end
  return params
end

-- ---------------------------------------------------------------------------------------------
-- Parsing.

function CmdLine:convert(entry, text)
  if entry.type == 'number' then
    local value = tonumber(text)
    if not value then
      self:error(("%s: expected a number, got '%s'"):format(entry.key, text))
    end
    return value
  elseif entry.type == 'boolean' then
    local value = ({['true'] = true, ['false'] = false})[text]
    if value == nil then
      self:error(("%s: expected true or false, got '%s'"):format(entry.key, text))
    end
    return value
  end
  return text
end

-- How many words the option took.
function CmdLine:read_option(params, words, at)
  local option = self.options[words[at]]
  local name = strip(option.key)
  if option.type == 'boolean' then
    params[name] = not option.default
    return 1
  end
  if words[at + 1] == nil then self:error(('%s: a value is missing'):format(option.key)) end
  params[name] = self:convert(option, words[at + 1])
  return 2
end

--- Reads a table of words (such as `arg`) into a table of parameters.
-- -h, -help and --help print the help and end the program; so does a mistake, with status 1.
function CmdLine:parse(words)
  local params = self:default()
  local given, at = 0, 1
  while at <= #words do
    local word = words[at]
    if word == '-h' or word == '-help' or word == '--help' then
      self:help(words)
      os.exit(0, true)
    end
    if self.options[word] then
      at = at + self:read_option(params, words, at)
    else
      given = given + 1
      local argument = self.arguments[given]
      if not argument then self:error(('invalid argument: %s'):format(word)) end
      params[strip(argument.key)] = self:convert(argument, word)
      at = at + 1
    end
  end
  if given < #self.arguments then
    self:error(('argument <%s> is missing'):format(strip(self.arguments[given + 1].key)))
  end
  return params
end

--- Prints the message and the help, and ends the program with status 1.
function CmdLine:error(message)
  io.stderr:write('error: ', message, '\n\n')
  self:help(nil, io.stderr)
  os.exit(1, true)
end

--- Prints how the program is called.
function CmdLine:help(words, out)
  out = out or io.stdout
  local width = 0
  local left = {}
  for i, line in ipairs(self.helplines) do
    if type(line) == 'table' then
      left[i] = line.default ~= nil and line.key or '<' .. strip(line.key) .. '>'
      width = math.max(width, #left[i])
    end
  end
  out:write('Usage: ', words and words[0] and words[0] .. ' ' or '', '[options]')
  for _, argument in ipairs(self.arguments) do out:write(' <', strip(argument.key), '>') end
  out:write('\n')
  for i, line in ipairs(self.helplines) do
    if type(line) == 'table' then
      local text = '  ' .. pad(left[i], width)
      if line.help then text = text .. ' ' .. line.help end
      if line.default ~= nil then text = text .. (' [%s]'):format(tostring(line.default)) end
      out:write(text, '\n')
    else
      out:write(line, '\n')
    end
  end
end

-- ---------------------------------------------------------------------------------------------
-- Names for experiments, and logs.

local function value_text(value)
  if type(value) == 'boolean' then return value and 't' or 'f' end
  return tostring(value)
end

--- A name for a directory out of what differs from the defaults: 'prefix,epochs=5,rate=0.1'.
-- ignore[name] = true leaves an option out; false puts it in even where it is the default.
function CmdLine:string(prefix, params, ignore)
  ignore = ignore or {}
  local position = {}
  for i, argument in ipairs(self.arguments) do position[strip(argument.key)] = i end
  local options, arguments = {}, {}
  for key, option in pairs(self.options) do
    local name = strip(key)
    local value = params[name]
    if value ~= nil and not ignore[name]
        and (value ~= option.default or ignore[name] == false) then
      options[#options + 1] = name .. self.keyseparator .. value_text(value)
    end
  end
  table.sort(options)
  for name, i in pairs(position) do
    if params[name] ~= nil and not ignore[name] then
      arguments[#arguments + 1] = {i, name .. self.keyseparator .. value_text(params[name])}
    end
  end
  table.sort(arguments, function(a, b) return a[1] < b[1] end)
  local parts = {}
  if prefix and prefix ~= '' then parts[1] = prefix end
  for _, argument in ipairs(arguments) do parts[#parts + 1] = argument[2] end
  for _, option in ipairs(options) do parts[#parts + 1] = option end
  return table.concat(parts, self.argseparator)
end

--- Each line of the log gets the time, and the name if there is one.
function CmdLine:addTime(name, format)
  format = format or '%Y-%m-%d %H:%M:%S'
  if type(format) ~= 'string' then error('CmdLine: the time format must be a string', 2) end
  self.dateformat = format .. (name and '[' .. name .. ']: ' or '')
end

--- The log goes to its file alone, not to the terminal too.
function CmdLine:silent()
  self.silentio = true
end

local function log_file(target)
  if io.type(target) == 'file' then return target end
  local file, why = io.open(target, 'w')
  if not file then error('CmdLine: cannot write the log: ' .. tostring(why), 3) end
  return file
end

local function sorted_names(params)
  local names = {}
  for name in pairs(params) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  return names
end

--- From here on `print` also writes to the file; the parameters come first.
-- This is the one function here that changes a global, and it is what it is called for.
function CmdLine:log(target, params)
  local file = log_file(target)
  local printed = _G.print
  local function to_file(...)
    local parts = {}
    for i = 1, select('#', ...) do parts[i] = tostring((select(i, ...))) end
    local stamp = self.dateformat and os.date(self.dateformat) or ''
    file:write(stamp, table.concat(parts, '\t'), '\n')
    file:flush()
  end
  rawset(_G, 'print', function(...)
    if not self.silentio then printed(...) end
    to_file(...)
  end)
  if not params then return end
  file:write('[program started on ', os.date(), ']\n[command line arguments]\n')
  for _, name in ipairs(sorted_names(params)) do
    file:write(tostring(name), '\t', value_text(params[name]), '\n')
  end
  file:write('[----------------------]\n')
  file:flush()
end

return package.CmdLine
