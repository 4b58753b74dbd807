-- torch.class and its relatives, without tensors.
local torch = require 'torch'

-- Classes live as long as the state does: each name is used by one test only.
local count = 0
local function fresh(parent)
  count = count + 1
  local name, package = 'ClassSpec' .. count, {}
  local class, parent_class = torch.class(name, parent, package)
  return class, package[name], name, parent_class
end

describe('torch.class', function()
  it('makes objects through a callable table', function()
    local Point, new = fresh()
    function Point:__init(x, y) self.x, self.y = x, y end
    function Point:sum() return self.x + self.y end
    assert.equal(7, new(3, 4):sum())
    assert.equal(7, Point.new(3, 4):sum())
    assert.equal('table', type(new))
    assert.is_nil(fresh().__init)
  end)

  it('passes nil arguments on', function()
    local Many, new = fresh()
    function Many:__init(...) self.n = select('#', ...) end
    assert.equal(3, new(nil, nil, nil).n)
  end)

  it('inherits methods and returns the parent', function()
    local Base, _, base_name = fresh()
    function Base:__init(x) self.x = x end
    function Base:get() return self.x end
    local Derived, new, _, parent = fresh(base_name)
    assert.equal(Base, parent)
    assert.equal(Base, getmetatable(Derived))
    assert.is_nil(getmetatable(Base))
    assert.equal(5, new(5):get())
    function Derived:get() return parent.get(self) + 1 end
    assert.equal(6, new(5):get())
    function Base:late() return 'late' end
    assert.equal('late', new(5):late())
  end)

  it('keeps the registry as Torch7 lays it out', function()
    local Class, new, name = fresh()
    assert.equal(Class, debug.getregistry()[name])
    assert.equal(name, debug.getregistry()[Class])
    assert.equal(name, rawget(Class, '__typename'))
    assert.equal(1, rawget(Class, '__version'))
    assert.equal(Class, rawget(Class, '__metatable'))
    assert.equal(Class, getmetatable(new))
    assert.equal(Class, getmetatable(new()))
    assert.is_function(rawget(Class, '__factory'))
    assert.is_function(rawget(Class, '__constructor'))
    assert.equal(rawget(Class, '__constructor'), rawget(Class, 'new'))
  end)

  it('reads and writes the class through its constructor', function()
    local Class, new = fresh()
    function Class:method() return 1 end
    assert.equal(Class.method, new.method)
    new.added = function() return 2 end
    assert.is_function(rawget(Class, 'added'))
    assert.equal(2, new():added())
  end)

  it('puts a class in the table of its package', function()
    local package = {inner = {}}
    torch.register_package('classspecpkg', package)
    torch.class('classspecpkg.A')
    torch.class('classspecpkg.inner.B', 'classspecpkg.A')
    assert.equal('classspecpkg.A', torch.type(package.A()))
    assert.equal('classspecpkg.inner.B', torch.type(package.inner.B()))
    assert.is_nil(rawget(_G, 'classspecpkg'))
  end)

  it('makes a global of a name without a package, as Torch7 does', function()
    torch.class('ClassSpecGlobal')
    local new = rawget(_G, 'ClassSpecGlobal')
    rawset(_G, 'ClassSpecGlobal', nil)
    assert.equal('ClassSpecGlobal', torch.type(new()))
  end)

  it('refuses what cannot be', function()
    local _, _, name = fresh()
    assert.error_matches(function() torch.class(name, nil, {}) end,
      'already assigned a constructor')
    assert.error_matches(function() torch.class(name, name, {}) end, 'already assigned a')
    assert.error_matches(function() torch.class('nowhere.at.all') end,
      "no table to put 'nowhere.at.all' in")
    assert.error_matches(function() torch.class('ClassSpecX', 'NoSuchParent', {}) end,
      "parent class 'NoSuchParent' is not defined")
    assert.error_matches(function() torch.class('ClassSpecX', 'torch.FloatTensor', {}) end,
      "cannot inherit from 'torch.FloatTensor'")
    assert.error_matches(function() torch.class(5) end, 'must be a name, got number')
    assert.is_nil(torch.getmetatable('ClassSpecX'))
  end)

  it('reports mistakes at the line of the caller', function()
    local _, message = pcall(function() torch.class('nowhere.at.all') end)
    assert.matches('class_spec%.lua:%d+:', message)
  end)
end)

describe('operators of classes', function()
  it('are methods, looked up through the parents at call time', function()
    local Base, _, base_name = fresh()
    local _, new = fresh(base_name)
    local a, b = new(), new()
    for method, use in pairs {
      __add__ = function() return a + b end, __sub__ = function() return a - b end,
      __mul__ = function() return a * b end, __div__ = function() return a / b end,
      __mod__ = function() return a % b end, __pow__ = function() return a ^ b end,
      __concat__ = function() return a .. b end, __unm__ = function() return -a end,
      __call__ = function() return a(1) end,
    } do
      assert.error_matches(use, 'has no ' .. method .. ' operator')
      Base[method] = function() return method end
      assert.equal(method, use())
    end
  end)

  it('compare by method, or by identity', function()
    local Class, new = fresh()
    local a, b = new(), new()
    assert.is_false(a == b)
    assert.is_true(a == a)
    function Class.__eq__() return true end
    assert.is_true(a == b)
    assert.error_matches(function() return a < b end, '__lt__')
    function Class.__lt__() return true end
    function Class.__le__() return false end
    assert.is_true(a < b)
    assert.is_false(a <= b)
  end)

  it('take the class from the second operand too', function()
    local Class, new = fresh()
    function Class.__add__(a, b) return type(a) .. type(b) end
    assert.equal('numbertable', 1 + new())
  end)

  it('print the class name without __tostring__', function()
    local Class, new, name = fresh()
    assert.equal(name, tostring(new()))
    function Class.__tostring__() return 'mine' end
    assert.equal('mine', tostring(new()))
  end)

  it('look fields up through __index__ and __newindex__', function()
    local Class, new, name = fresh()
    function Class:__init() self.set = {} end
    function Class.__index__(_, key)
      if key == 'magic' then return 42, true end
      return false
    end
    function Class:__newindex__(key)
      if key ~= 'kept' then return false end
      self.set[key] = true
      return true
    end
    function Class.plain() return 'plain' end
    local _, derived = fresh(name)
    for _, object in ipairs {new(), derived()} do
      assert.equal(42, object.magic)
      assert.equal('plain', object.plain())
      assert.is_nil(object.other)
      object.kept = 1
      assert.is_nil(rawget(object, 'kept'))
      assert.is_true(object.set.kept)
      object.free = 2
      assert.equal(2, rawget(object, 'free'))
    end
  end)
end)

describe('questions about classes', function()
  it('name the type of anything', function()
    local Class, new, name = fresh()
    assert.equal(name, torch.type(new()))
    assert.equal(name, torch.typename(new()))
    assert.equal('table', torch.type(new))
    assert.is_nil(torch.typename(new))
    assert.equal('table', torch.type(Class))
    assert.equal('table', torch.type({}))
    assert.equal('number', torch.type(1))
    assert.equal('string', torch.type('x'))
    assert.equal('nil', torch.type(nil))
    assert.is_nil(torch.typename('x'))
  end)

  it('walk the parents', function()
    local Base, base, base_name = fresh()
    local _, new, name = fresh(base_name)
    local object = new()
    for _, wanted in ipairs {base_name, name, Base, base, new, 'ClassSpec.*', '^ClassSpec'} do
      assert.is_true(torch.isTypeOf(object, wanted))
    end
    assert.is_false(torch.isTypeOf(object, 'ClassSpec'))
    assert.is_false(torch.isTypeOf(base(), name))
    assert.is_false(torch.isTypeOf({}, name))
    assert.is_false(torch.isTypeOf(5, name))
    assert.error_matches(function() torch.isTypeOf(object, 5) end, 'expected a class')
  end)

  it('find classes by name', function()
    local Class, new, name = fresh()
    assert.equal(Class, torch.getmetatable(name))
    assert.is_nil(torch.getmetatable('NoSuchClass'))
    assert.equal(new, torch.getconstructortable(name))
    assert.equal(name, torch.type(torch.factory(name)()))
    assert.is_nil(torch.factory('NoSuchClass'))
    local made = torch.setmetatable({x = 1}, name)
    assert.equal(name, torch.type(made))
    assert.equal(1, made.x)
    assert.error_matches(function() torch.setmetatable({}, 'NoSuchClass') end, 'NoSuchClass')
    assert.equal(1, torch.version(made))
  end)

  it('tell objects apart', function()
    local _, new = fresh()
    local a, b = new(), new()
    assert.is_number(torch.pointer(a))
    assert.equal(torch.pointer(a), torch.pointer(a))
    assert.are_not.equal(torch.pointer(a), torch.pointer(b))
    assert.is_true(torch.isequal(a, a))
    assert.is_false(torch.isequal(a, b))
    assert.error_matches(function() torch.pointer(5) end, 'number has no address')
  end)
end)

describe('torch.metatype', function()
  it('makes a metatable known by name', function()
    local mt = {}
    torch.metatype('ClassSpecMetatype', mt)
    assert.equal(mt, torch.getmetatable('ClassSpecMetatype'))
    assert.equal('ClassSpecMetatype', torch.type(setmetatable({}, mt)))
    assert.error_matches(function() torch.metatype('ClassSpecX', 5) end, 'metatable expected')
  end)

  if rawget(_G, 'jit') then
    it('names types of the FFI', function()
      local ffi = require 'ffi'
      ffi.cdef 'typedef struct { int x; } class_spec_point;'
      torch.metatype('ClassSpecPoint', {__index = {get = function(p) return p.x end}},
        'class_spec_point')
      local point = ffi.new('class_spec_point', {7})
      assert.equal('ClassSpecPoint', torch.type(point))
      assert.equal('ClassSpecPoint', torch.typename(point))
      assert.equal(7, point:get())
      assert.equal('cdata', torch.type(ffi.new('int[1]')))
    end)
  end
end)

describe('classes of C', function()
  it('have factories, and operators that are not made in C', function()
    assert.equal('torch.FloatTensor', torch.type(torch.factory('torch.FloatTensor')()))
    assert.equal('torch.LongStorage', torch.type(torch.factory('torch.LongStorage')()))
    local tensor = torch.FloatTensor {1, 2}
    assert.error_matches(function() return tensor(2) end,
      'torch.FloatTensor has no __call__ operator')
    torch.FloatTensor.__call__ = function(x, i) return x[i] end
    local value = tensor(2)
    torch.FloatTensor.__call__ = nil
    assert.equal(2, value)
  end)
end)

describe('torch.getenv and torch.setenv', function()
  it('give functions their globals, and userdata a table', function()
    local f = assert((loadstring or load)('return classSpecName'))
    torch.setenv(f, {classSpecName = 5})
    assert.equal(5, f())
    assert.equal(5, torch.getenv(f).classSpecName)
    local tensor, env = torch.FloatTensor(1), {}
    torch.setenv(tensor, env)
    assert.equal(env, torch.getenv(tensor))
    assert.error_matches(function() torch.getenv({}) end, 'function or userdata expected')
    assert.error_matches(function() torch.setenv(f, 5) end, 'a table expected')
  end)
end)

describe('torch.newmetatable', function()
  it('makes a class out of given parts', function()
    local package = {}
    local mt, parent = torch.newmetatable('ClassSpecRaw', nil, function(x) return {x} end, nil,
      nil, package)
    assert.is_nil(parent)
    assert.equal(mt, torch.getmetatable('ClassSpecRaw'))
    assert.equal(3, package.ClassSpecRaw(3)[1])
    assert.is_nil(torch.factory('ClassSpecRaw'))
  end)
end)
