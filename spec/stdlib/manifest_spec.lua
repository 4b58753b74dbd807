-- Every name of Torch7's library answers: walks spec/manifest.lua.
local torch = require 'torch'
local manifest = require 'spec.manifest'
local program = require 'spec.vm.program'
local names = manifest.names

local function is_callable(value)
  if type(value) == 'function' then return true end
  local ok, mt = pcall(debug.getmetatable, value)
  return ok and type(mt) == 'table' and mt.__call ~= nil
end

-- The names for which `find` gives nothing that can be called.
local function missing(text, find)
  local out = {}
  for _, name in ipairs(names(text)) do
    local ok, value = pcall(find, name)
    if not ok or not is_callable(value) then out[#out + 1] = name end
  end
  return out
end

local function of_torch(name) return torch[name] end

describe('the manifest of Torch7', function()
  for subject, text in pairs(manifest.functions) do
    it('has its functions: ' .. subject, function()
      assert.same({}, missing(text, of_torch))
    end)
  end

  for convention, text in pairs(manifest.mathematics) do
    it('has its mathematics: ' .. convention, function()
      assert.same({}, missing(text, of_torch))
      for _, kind in ipairs {'Float', 'Double'} do
        local tensor = torch[kind .. 'Tensor'](2, 2)
        assert.same({}, missing(text, function(name) return tensor[name] end))
      end
    end)
  end

  it('has functions of numbers', function()
    local wrong = {}
    for _, name in ipairs(names(manifest.of_numbers)) do
      local ok, value = pcall(torch[name], 0.5, 0.25)
      if not ok then ok, value = pcall(torch[name], 0.5) end
      if not ok or type(value) ~= 'number' then wrong[#wrong + 1] = name end
    end
    assert.same({}, wrong)
  end)

  for _, kind in ipairs(names(manifest.types)) do
    it('has methods of ' .. kind .. ' tensors and storages', function()
      local tensor, storage = torch[kind .. 'Tensor'](2, 2), torch[kind .. 'Storage'](2)
      assert.equal('torch.' .. kind .. 'Tensor', torch.type(tensor))
      assert.equal('torch.' .. kind .. 'Storage', torch.type(storage))
      assert.same({}, missing(manifest.tensor_methods, function(name) return tensor[name] end))
      assert.same({}, missing(manifest.storage_methods, function(name) return storage[name] end))
      if kind == 'Byte' or kind == 'Char' then
        assert.same({}, missing(manifest.byte_storage_methods,
          function(name) return storage[name] end))
      end
    end)
  end

  it('has constructors', function()
    assert.same({}, missing(manifest.constructors, of_torch))
    for _, name in ipairs(names(manifest.constructors)) do
      if name ~= 'Generator' then assert.equal('table', type(torch[name]), name) end
    end
  end)

  for class, text in pairs(manifest.methods) do
    it('has methods of torch.' .. class, function()
      assert.same({}, missing(text, function(name) return torch[class][name] end))
      assert.equal(getmetatable(torch[class]), torch.getmetatable('torch.' .. class))
    end)
  end

  it('has the fields of classes', function()
    local class = torch.class('ManifestSpecClass', {})
    for _, name in ipairs(names(manifest.class_fields)) do
      assert.is_true(rawget(class, name) ~= nil, name)
    end
  end)

  it('has the globals of th', function()
    local check = {}
    for _, name in ipairs(names(manifest.th_globals)) do
      check[#check + 1] = ('if %s == nil then print("%s") end'):format(name, name)
    end
    local output, status = program.shell(('%s/th -e %s'):format(program.build,
      program.quote(table.concat(check, ' '))))
    assert.equal('', output)
    assert.equal(0, status)
    output = program.run("-e 'print(string.gfind, table.pack ~= nil, include)'")
    assert.equal(('nil\t%s\tnil\n'):format(tostring(not program.is_luajit)), output)
  end)
end)
