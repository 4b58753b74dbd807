--- Help at the prompt: operations from the core's table, the rest from the comments in the source.
local core = require 'torch.core'
local class = require 'torch.class'
local texts = require 'torch.help_texts'

local help = {}

local OVERVIEW = [[
help(torch.add), help('add') or help(nn.Linear) tells how something is called and what it does;
help('sum') with a part of a name lists the operations that have it in their names.
]]

-- The rows of the operation table that answer to a name: `max` is two operations, the greatest
-- element and the greatest along a dimension.
local function find_ops(name)
  local found = {}
  for _, op in ipairs(require('torch.ops')) do
    local names = ' ' .. op.name .. ' ' .. (op.aliases or '') .. ' '
    if names:find(' ' .. name .. ' ', 1, true) then found[#found + 1] = op end
  end
  return found
end

local function split(text, separator)
  local out = {}
  for part in (text .. separator):gmatch('%s*(.-)%s*' .. separator) do out[#out + 1] = part end
  return out
end

-- "T x; d? dim; b keepdim=1" -> the names in order, and name -> its text when it may be left out.
local function parameters(args)
  local names, optional = {}, {}
  for i, part in ipairs(split(args, ';')) do
    local kind, mark, name, default = part:match('^(%a)(%??)%s+([%w_]+)=?(.*)$')
    names[i] = kind == 'z' and name .. '...' or kind == 'D' and name .. '...' or name
    if kind == 'b' and default ~= '' then default = tostring(default ~= '0') end
    if default ~= '' then
      optional[names[i]] = name .. '=' .. default
    elseif mark == '?' then
      optional[names[i]] = name
    end
  end
  return names, optional
end

local function list_text(names, optional)
  local out = {}
  for i, name in ipairs(names) do
    local comma = i > 1 and ', ' or ''
    if optional[name] then
      out[i] = (i > 1 and ' ' or '') .. '[' .. comma .. optional[name] .. ']'
    else
      out[i] = comma .. name
    end
  end
  return table.concat(out)
end

local function without(names, name)
  local rest = {}
  for _, other in ipairs(names) do
    if other ~= name then rest[#rest + 1] = other end
  end
  return rest
end

-- The ways of calling an operation, by Torch7's conventions: A and I methods change their tensor,
-- B methods store into it, C methods give something new.
local function signatures(op, name)
  local names, optional = parameters(op.args)
  local orders = {{names, optional}}
  local forms = op.forms[1]:match('%((.*)%)$')
  if forms ~= op.args then
    orders = {}
    for i, form in ipairs(split(forms, ';')) do orders[i] = {split(form, ' '), {}} end
  end
  -- A method's own tensor is the first parameter, wherever an order of arguments has it.
  local self, out = names[1], {}
  local results = op.outputs > 1 and '[res1, res2,]' or '[res,]'
  for i, order in ipairs(orders) do
    local rest = without(order[1], self)
    local all = list_text(self == 'res' and rest or order[1], order[2])
    if op.convention ~= 'I' then out[#out + 1] = ('torch.%s(%s %s)'):format(name, results, all) end
    if op.convention == 'A' or op.convention == 'I' then
      out[#out + 1] = ('%s:%s(%s)  changes %s'):format(self, name, list_text(rest, order[2]), self)
    elseif op.convention == 'B' then
      out[#out + 1] = ('res:%s(%s)  stores into res'):format(name, all)
    elseif i == 1 and self ~= 'tensors' then
      out[#out + 1] = ('%s:%s(%s)'):format(self, name, list_text(rest, order[2]))
    end
  end
  return out
end

local function ops_text(ops, name)
  local out = {}
  for _, op in ipairs(ops) do
    for _, line in ipairs(signatures(op, name)) do out[#out + 1] = line end
    out[#out + 1] = '  ' .. op.doc
  end
  return table.concat(out, '\n') .. '\n'
end

-- ---------------------------------------------------------------------------------------------
-- Lua functions: the signature and the comment above it.

-- The text of a Lua file: what is packed into the program goes by its path in the tree, which
-- says nothing about a file of that name in the current folder.
local function source_text(path)
  local has_packages, packages = pcall(require, 'moonlet.packages')
  if has_packages then
    local module = path:gsub('^stdlib/', ''):gsub('%.lua$', ''):gsub('/init$', ''):gsub('/', '.')
    local ok, text = pcall(packages.read, module)
    if ok then return text end
  end
  local file = io.open(path, 'rb')
  if not file then return nil end
  local text = file:read('*a')
  file:close()
  return text
end

local function lines_of(path)
  local text = source_text(path)
  if not text then return nil end
  local lines = {}
  for line in (text .. '\n'):gmatch('(.-)\r?\n') do lines[#lines + 1] = line end
  return lines
end

-- The comment lines that end above line `at`, without their dashes.
local function comment_above(lines, at)
  local first = at
  while first > 1 and lines[first - 1]:match('^%s*%-%-') do first = first - 1 end
  local out = {}
  for i = first, at - 1 do
    local line = lines[i]:gsub('^%s*%-%-+ ?', '')
    if not line:match('^%-*$') then out[#out + 1] = '  ' .. line end
  end
  return out
end

local function header_comment(lines)
  local last = 1
  while lines[last] and lines[last]:match('^%-%-') do last = last + 1 end
  return comment_above(lines, last)
end

local function source_of(fn)
  local info = debug and debug.getinfo and debug.getinfo(fn, 'S')
  if not info or info.what ~= 'Lua' or info.source:sub(1, 1) ~= '@' then return nil end
  local lines = lines_of(info.source:sub(2))
  if not lines or not lines[info.linedefined] then return nil end
  return lines, info.linedefined
end

local function signature(line)
  local name, arguments = line:match('function%s+([%w_.:]+)%s*(%b())')
  if name then return name .. arguments end
  return (line:gsub('^%s*', ''))
end

-- shown: the name under which scripts know the function, if it has another in its module.
local function function_text(fn, shown)
  local lines, at = source_of(fn)
  if not lines then return nil end
  local out = comment_above(lines, at)
  local first = signature(lines[at])
  table.insert(out, 1, shown and first:gsub('^[%w_.:]+', shown) or first)
  return table.concat(out, '\n') .. '\n'
end

local function class_text(mt)
  local init = rawget(mt, '__init') or rawget(mt, '__constructor')
  local lines, at = nil, nil
  if init then lines, at = source_of(init) end
  if not lines then
    local native = core.metatables[mt.__typename] and 'a type of torch.core'
    return ('%s: %s\n'):format(mt.__typename, native or 'a class without a description')
  end
  local arguments = lines[at]:match('%b()') or '()'
  local out = header_comment(lines)
  table.insert(out, 1, mt.__typename .. arguments)
  for _, line in ipairs(comment_above(lines, at)) do out[#out + 1] = line end
  return table.concat(out, '\n') .. '\n'
end

-- ---------------------------------------------------------------------------------------------

local function resolve(name)
  local value = class.getmetatable(name)
  if value then return value end
  local ok, found = pcall(require, name:match('^([^.]+)') or name)
  if not ok then return nil end
  for part in name:gsub('^[^.]+%.?', ''):gmatch('[^.]+') do
    if type(found) ~= 'table' then return nil end
    found = found[part]
  end
  return found
end

local function similar(name)
  local found, seen = {}, {}
  for _, op in ipairs(require('torch.ops')) do
    if not seen[op.name] and op.name:lower():find(name:lower(), 1, true) then
      found[#found + 1] = op.name
      seen[op.name] = true
    end
  end
  table.sort(found)
  return found
end

local function name_text(name)
  local short = name:gsub('^torch%.', '')
  local ops = find_ops(short)
  if #ops > 0 then return ops_text(ops, short) end
  if texts[short] then return texts[short] .. '\n' end
  local value = resolve(name)
  if value == nil then value = resolve('torch.' .. name) end
  if value ~= nil and type(value) ~= 'string' then
    local text = help.text(value)
    if text then return text end
  end
  local found = similar(name)
  if #found > 0 then
    return ("operations like '%s': %s\n"):format(name, table.concat(found, ', '))
  end
  return ("no help for '%s'\n"):format(name)
end

-- The name that a function of torch or a method of tensors has.
local function name_of(fn)
  for name, value in pairs(require 'torch') do
    if value == fn then return name end
  end
  for _, mt in pairs(core.metatables) do
    for name, value in pairs(mt) do
      if value == fn then return name end
    end
  end
  return nil
end

local function value_text(value)
  local name = class.typename(value)
  if name then return ("an object of class %s\n"):format(name) end
  return ('a %s\n'):format(type(value))
end

-- Functions of torch that load their module when they are called.
local function behind(fn)
  local place = getmetatable(require 'torch').deferred[fn]
  return place and require(place[1])[place[2]] or fn
end

--- The help for a name, a function, a class or an object, as text.
function help.text(subject)
  if subject == nil then return OVERVIEW end
  if type(subject) == 'string' then return name_text(subject) end
  if type(subject) == 'function' then
    local name = name_of(subject)
    if name and (texts[name] or #find_ops(name) > 0) then return name_text(name) end
    return function_text(behind(subject), name and 'torch.' .. name)
      or 'a function without a description\n'
  end
  local mt = getmetatable(subject)
  local is_class = type(subject) == 'table' and rawget(subject, '__typename')
  if is_class then return class_text(subject) end
  local is_constructor = type(mt) == 'table' and rawget(mt, '__typename')
    and not class.typename(subject)
  if is_constructor then return class_text(mt) end
  return value_text(subject)
end

function help.print(subject)
  io.write(help.text(subject))
end

return help
