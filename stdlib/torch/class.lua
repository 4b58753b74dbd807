--- Classes as Torch7 has them: single inheritance, operators named `__add__`, `__tostring__`, ...
-- A class is a metatable that is known by name in the registry. `getmetatable(class)` is its
-- parent, so that plain table lookups walk the inheritance chain inside the VM.
local packages_index = require 'moonlet.packages'

local class = {}

-- The registry makes classes visible to C code and to `debug.getregistry()[name]`, as Torch7 does.
-- A host without the debug library still gets working classes.
local registry = debug and debug.getregistry and debug.getregistry() or {}

-- Constructor objects (`nn.Linear`): constructor -> metatable, and the way back.
local constructors = setmetatable({}, {__mode = 'k'})
local constructor_of = setmetatable({}, {__mode = 'k'})

-- Tables that hold the classes of a package: 'nn' -> the table of `require 'nn'`.
local packages = {}

-- Metatables of C types: Lua objects cannot inherit from them.
local native = setmetatable({}, {__mode = 'k'})

-- Names of types of LuaJIT's FFI, by the number of the type.
local ctypes = {}

local function ctype_name(object)
  local id = tonumber(require('ffi').typeof(object))
  return ctypes[id]
end

--- The class name of an object, or nil. As in Torch7, the metatable of a class has its parent's.
function class.typename(object)
  local mt = getmetatable(object)
  if type(mt) == 'table' and not constructors[object] then return rawget(mt, '__typename') end
  if mt == 'ffi' and type(object) == 'cdata' then return ctype_name(object) end
  return nil
end

local typename = class.typename

--- The class name of an object, or its Lua type.
function class.type(object)
  return typename(object) or type(object)
end

-- ---------------------------------------------------------------------------------------------
-- Operators. The metatable of each class holds these functions; the method is looked up when the
-- operator is used, so that it may be inherited, and defined after the class was made.

local function handler_of(object, method)
  local mt = getmetatable(object)
  return type(mt) == 'table' and mt[method] or nil
end

local function missing(object, method)
  error(('%s has no %s operator'):format(class.type(object), method), 3)
end

local function binary(method)
  return function(a, b)
    local handler = handler_of(a, method) or handler_of(b, method)
    if not handler then missing(typename(a) and a or b, method) end
    return handler(a, b)
  end
end

local function unary(method)
  return function(a)
    local handler = handler_of(a, method)
    if not handler then missing(a, method) end
    return handler(a)
  end
end

local operators = {
  __unm = unary('__unm__'),
  __call = function(object, ...)
    local handler = handler_of(object, '__call__')
    if not handler then missing(object, '__call__') end
    return handler(object, ...)
  end,
  __tostring = function(object)
    local handler = handler_of(object, '__tostring__')
    if handler then return handler(object) end
    return class.type(object)
  end,
  -- Torch7 raises without a `__len__`; stock LuaJIT never asks for one. Both read a list's length.
  __len = function(object)
    local handler = handler_of(object, '__len__')
    if handler then return handler(object) end
    if rawlen then return rawlen(object) end
    return #object
  end,
  -- The VM answers for one and the same object; without a method two objects differ.
  __eq = function(a, b)
    local handler = handler_of(a, '__eq__') or handler_of(b, '__eq__')
    return handler ~= nil and handler(a, b)
  end,
}
for _, name in ipairs {'add', 'sub', 'mul', 'div', 'mod', 'pow', 'concat', 'lt', 'le'} do
  operators['__' .. name] = binary('__' .. name .. '__')
end

-- A method from the class or its parents, without running a parent's `__index__`.
local function find(mt, key)
  while type(mt) == 'table' do
    local value = rawget(mt, key)
    if value ~= nil then return value end
    mt = getmetatable(mt)
  end
  return nil
end

-- `__index__(object, key)` returns `value, true`, or false to go on with the methods.
local function index(object, key)
  local mt = getmetatable(object)
  if registry[object] == nil then
    local value, found = find(mt, '__index__')(object, key)
    if found then return value end
  end
  return find(mt, key)
end

-- `__newindex__(object, key, value)` returns true when it took the value.
local function newindex(object, key, value)
  if registry[object] == nil then
    local handler = find(getmetatable(object), '__newindex__')
    if handler and handler(object, key, value) then return end
  end
  rawset(object, key, value)
end

-- Classes without `__index__` keep a plain table as `__index`: the VM (and LuaJIT's compiler)
-- looks methods up by itself. This is checked each time that an object is made, because methods
-- are added to a class after `torch.class` has returned.
local function choose_lookup(mt)
  local lookup = rawget(mt, '__index')
  if lookup == mt and find(mt, '__index__') then rawset(mt, '__index', index) end
  if rawget(mt, '__newindex') == rawset and find(mt, '__newindex__') then
    rawset(mt, '__newindex', newindex)
  end
end

-- ---------------------------------------------------------------------------------------------
-- The table that holds a class.

local function container_error(name)
  error(("torch.class: no table to put '%s' in: load its package first, or give the table as "
    .. 'the last argument'):format(name), 5)
end

--- Makes the classes of package `name` live in `tbl`, whatever the global of that name is.
function class.register_package(name, tbl)
  packages[name] = tbl
end

-- 'a.b.C' -> the table a.b and 'C'. A registered package wins over the globals of the host.
local function locate(name, module)
  local path, key = name:match('^(.*)%.([^.]+)$')
  key = key or name
  if module then return module, key end
  if not path then return _G, key end
  if packages[path] then return packages[path], key end
  local container
  for part in path:gmatch('[^.]+') do
    if container == nil then
      container = packages[part] or rawget(_G, part)
    else
      container = container[part]
    end
    if type(container) ~= 'table' then container_error(name) end
  end
  return container, key
end

--- The callable table `nn.Linear`: reading and assigning go to the class itself.
local function make_constructor(mt)
  local constructor = setmetatable({}, {
    __index = mt,
    __newindex = mt,
    __metatable = mt,
    __call = function(_, ...) return mt.__constructor(...) end,
    __tostring = function() return mt.__typename end,
  })
  constructors[constructor] = mt
  constructor_of[mt] = constructor
  return constructor
end

-- ---------------------------------------------------------------------------------------------
-- Making classes.

local function check_string(value, what, operation)
  if type(value) ~= 'string' or value == '' then
    error(('torch.%s: %s must be a name, got %s'):format(operation, what, type(value)), 4)
  end
end

-- A class that was not used yet may be loaded by its package, when the package is asked for it.
local function find_class(name)
  if type(name) ~= 'string' then return nil end
  local path, key = name:match('^(.*)%.([^.]+)$')
  if registry[name] == nil and packages[path] then local _ = packages[path][key] end
  local mt = registry[name]
  return type(mt) == 'table' and mt or nil
end

local function parent_metatable(parent)
  local mt = find_class(parent)
  if not mt then
    error(("torch.class: parent class '%s' is not defined"):format(parent), 4)
  end
  if native[mt] then
    error(("torch.class: cannot inherit from '%s', which is made in C"):format(parent), 4)
  end
  return mt
end

local function new_table(name)
  local mt = {__typename = name, __version = 1}
  mt.__metatable = mt
  mt.__index, mt.__newindex = mt, rawset
  for operator, fn in pairs(operators) do mt[operator] = fn end
  registry[name] = mt
  registry[mt] = name
  return mt
end

-- The parts that a class can be given once, unless the file that defines it failed while it was
-- loaded and is loaded again. Errors are reported at the caller of `define`'s caller.
local function refuse_second(mt, name, given)
  if packages_index.loading_failed() then return end
  for _, part in ipairs {'parent', 'constructor', 'destructor', 'factory'} do
    local old
    if part == 'parent' then
      old = getmetatable(mt)
    else
      old = rawget(mt, part == 'destructor' and '__gc' or '__' .. part)
    end
    if given[part] and old then
      error(('class %s has been already assigned a %s'):format(name, part), 4)
    end
  end
end

-- Everything is checked before anything changes, so that a failed definition leaves no trace.
local function define(name, parent, given, module)
  check_string(name, 'the class', 'class')
  local parent_mt = parent and parent_metatable(parent) or nil
  given.parent = parent_mt
  local mt = registry[name]
  if mt then refuse_second(mt, name, given) end
  local container, key
  if given.constructor then container, key = locate(name, module) end
  mt = mt or new_table(name)
  if parent_mt and getmetatable(mt) ~= parent_mt then setmetatable(mt, parent_mt) end
  rawset(mt, '__gc', given.destructor or rawget(mt, '__gc'))
  rawset(mt, '__factory', given.factory or rawget(mt, '__factory'))
  if given.constructor then
    rawset(mt, '__constructor', given.constructor)
    rawset(mt, 'new', given.constructor)
    container[key] = make_constructor(mt)
  end
  return mt, parent_mt
end

--- The general form, in Torch7's order of arguments: every part but the name may be nil.
-- Returns the metatable, and the parent's when there is one.
function class.newmetatable(name, parent, constructor, destructor, factory, module)
  local given = {constructor = constructor, destructor = destructor, factory = factory}
  local mt, parent_mt = define(name, parent, given, module)
  return mt, parent_mt
end

local function class_arguments(name, parent, module)
  check_string(name, 'the class', 'class')
  if type(parent) == 'table' and module == nil then parent, module = nil, parent end
  if parent ~= nil then check_string(parent, 'the parent', 'class') end
  if module ~= nil and type(module) ~= 'table' then
    error(('torch.class: the module of %s must be a table, got %s'):format(name, type(module)), 3)
  end
  return name, parent, module
end

--- torch.class(name [, parent] [, module]) -> the class, its parent.
-- 'nn.Linear' becomes `Linear` in the table of package nn, or in `module`. `__init(...)` is the
-- class's constructor; before it comes `__new()`, of a base class, which every object runs through
-- even where an `__init` does not call its parent's.
function class.class(...)
  local name, parent, module = class_arguments(...)
  local mt
  local function constructor(...)
    choose_lookup(mt)
    local self = setmetatable({}, mt)
    local new, init = mt.__new, mt.__init
    if new then new(self) end
    if init then init(self, ...) end
    return self
  end
  local function factory()
    choose_lookup(mt)
    return setmetatable({}, mt)
  end
  local given = {constructor = constructor, factory = factory}
  local made, parent_mt = define(name, parent, given, module)
  mt = made
  return made, parent_mt
end

-- ---------------------------------------------------------------------------------------------
-- Asking about classes.

--- The class of that name, or nil.
function class.getmetatable(name)
  return find_class(name)
end

--- Makes an object of class `name` out of a table.
function class.setmetatable(tbl, name)
  local mt = class.getmetatable(name)
  if not mt then error(("torch.setmetatable: class '%s' is not defined"):format(name), 2) end
  choose_lookup(mt)
  return setmetatable(tbl, mt)
end

--- The function that makes an empty object of class `name` (loading a file uses it), or nil.
function class.factory(name)
  local mt = class.getmetatable(name)
  return mt and rawget(mt, '__factory') or nil
end

--- The callable table of class `name`.
function class.getconstructortable(name)
  local mt = class.getmetatable(name)
  if not mt then
    error(("torch.getconstructortable: class '%s' is not defined"):format(tostring(name)), 2)
  end
  return constructor_of[mt] or make_constructor(mt)
end

--- Registers the metatable of a C type and returns its callable table.
function class.register_native(name, mt, constructor)
  registry[name] = mt
  registry[mt] = name
  native[mt] = true
  mt.__metatable = mt
  mt.__version = rawget(mt, '__version') or 1
  mt.__constructor = rawget(mt, '__constructor') or constructor
  mt.__factory = rawget(mt, '__factory') or function() return constructor() end
  mt.new = rawget(mt, 'new') or constructor
  for operator, fn in pairs(operators) do -- what C does not do itself may be defined as a method
    if rawget(mt, operator) == nil then mt[operator] = fn end
  end
  return constructor_of[mt] or make_constructor(mt)
end

--- torch.metatype(name, metatable [, ctype]): makes a metatable known as a class. With a type of
-- LuaJIT's FFI, its objects get the metatable and torch.type knows them by that name.
function class.metatype(name, mt, ctype)
  check_string(name, 'the name', 'metatype')
  if type(mt) ~= 'table' then
    error(('torch.metatype: a metatable expected, got %s'):format(type(mt)), 2)
  end
  mt.__typename, registry[name], registry[mt] = name, mt, name
  if ctype == nil then return mt end
  local ffi = require 'ffi'
  ctype = ffi.typeof(ctype)
  ctypes[tonumber(ctype)] = name
  return ffi.metatype(ctype, mt)
end

-- 'torch.FloatTensor' is taken as it stands; with any of these characters it is a pattern.
local function is_pattern(name)
  return name:find('[%^%$%*%+%?%[%]%%%(%)%-]') ~= nil
end

local function matches(name, wanted, pattern)
  if name == wanted then return true end
  return pattern and name:find(wanted) ~= nil
end

--- Is the object of this class, or of one that inherits from it?
-- `wanted`: a class name, a Lua pattern for one, a constructor (`nn.Linear`) or a class.
function class.isTypeOf(object, wanted)
  if constructors[object] then return false end
  local mt = getmetatable(object)
  local as_table = type(wanted) == 'table' and (constructors[wanted] or wanted)
  if not as_table and type(wanted) ~= 'string' then
    error(('torch.isTypeOf: expected a class or its name, got %s'):format(type(wanted)), 2)
  end
  local pattern = not as_table and is_pattern(wanted)
  while type(mt) == 'table' do
    local name = rawget(mt, '__typename')
    if mt == as_table then return true end
    if not as_table and name and matches(name, wanted, pattern) then return true end
    mt = getmetatable(mt)
  end
  return false
end

--- The version that a class declares for its files (`__version`), or nil.
function class.version(object)
  local mt = getmetatable(object)
  return type(mt) == 'table' and mt.__version or nil
end

--- The address of an object as a number: equal for one and the same object.
-- Tensors and storages get another function from torch.core, as several handles may share one.
function class.pointer(object)
  local address = tonumber((string.format('%p', object):gsub('^%(null%)$', '0')))
  if not address or type(object) == 'number' or type(object) == 'boolean' then
    error(('torch.pointer: %s has no address'):format(type(object)), 2)
  end
  return address
end

return class
