--- Small things that old programs ask torch for: environments, files of packages, and switches
-- whose work is done here without being asked.
local system = {}

-- Tables of userdata and, in Lua 5.4, of functions without globals.
local environments = setmetatable({}, {__mode = 'k'})

local function check_owner(object, name)
  local kind = type(object)
  if kind ~= 'function' and kind ~= 'userdata' then
    error(('torch.%s: function or userdata expected, got %s'):format(name, kind), 3)
  end
  return kind
end

-- The upvalue that holds the globals of a function in Lua 5.4.
local function globals_upvalue(fn)
  for i = 1, 255 do
    local name, value = debug.getupvalue(fn, i)
    if name == '_ENV' then return i, value end
    if name == nil then return nil end
  end
  return nil
end

--- torch.getenv(function or userdata): its table of globals, or what setenv has given it.
function system.getenv(object)
  if check_owner(object, 'getenv') == 'function' then
    if getfenv then return getfenv(object) end
    local at, value = globals_upvalue(object)
    if at then return value end
  end
  return environments[object]
end

--- torch.setenv(function or userdata, table)
function system.setenv(object, env)
  local kind = check_owner(object, 'setenv')
  if type(env) ~= 'table' then
    error(('torch.setenv: a table expected, got %s'):format(type(env)), 2)
  end
  if kind == 'function' then
    if setfenv then return setfenv(object, env) end
    local at = globals_upvalue(object)
    if at then
      debug.upvaluejoin(object, at, function() return env end, 1)
      return
    end
  end
  environments[object] = env
end

-- ---------------------------------------------------------------------------------------------
-- Files of packages.

local function readable(path)
  local file = io.open(path, 'rb')
  if file then file:close() end
  return file ~= nil
end

local function folder(path)
  return path:match('^(.*)/[^/]*$') or '.'
end

--- torch.packageLuaPath([name]): the folder of a package that require finds in files, or nil;
-- without a name, the folder in which packages are looked for first.
function system.packageLuaPath(name)
  for template in package.path:gmatch('[^;]+') do
    if name == nil then
      local root = template:match('^(.*)/%?')
      if root then return root end
    else
      local path = template:gsub('%?', (name:gsub('%.', '/')))
      if readable(path) then return folder(path) end
    end
  end
  return nil
end

--- torch.include(package, file): runs a file of a package, and gives what it returns.
function system.include(name, file)
  local where = system.packageLuaPath(name)
  if where then return dofile(where .. '/' .. file) end
  local has_packages, packages = pcall(require, 'moonlet.packages')
  local module = name .. '.' .. file:gsub('%.lua$', ''):gsub('/', '.')
  local found, text = pcall(has_packages and packages.read or error, module)
  if not found then
    error(('torch.include: there is no file %s of package %s'):format(file, name), 2)
  end
  local chunk = assert((loadstring or load)(text, '@' .. module))
  return chunk()
end

-- ---------------------------------------------------------------------------------------------

--- Tensor memory is always told to the collector: there is nothing to switch.
function system.setheaptracking() end

--- For threads of Torch7 alone: states of this library share nothing that could be out of date.
function system.updatethreadlocals() end

--- For threads of Torch7 alone: errors are handled by each state for itself.
function system.updateerrorhandlers() end

return system
