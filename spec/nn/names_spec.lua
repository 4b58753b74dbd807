-- Every name of Torch7's library of modules answers, prints and is tried: walks spec/nn/names.lua.
local torch, nn = require 'torch', require 'nn'
local names = require 'spec.nn.names'

-- Class name -> one of its cases.
local cases = {}
for _, file in ipairs(require 'spec.nn.case_files') do
  for name, case in pairs(require(file)) do cases[name:match('^[%w_]+')] = case end
end

local function check_class(name, tried)
  assert.is_true(nn[name] ~= nil, 'nn.' .. name .. ' is not there')
  assert.equal('nn.' .. name, tostring(nn[name]))
  if not tried then return end
  assert.is_true(cases[name] ~= nil, 'spec/nn/cases has none of nn.' .. name)
  local object = cases[name][1]()
  assert.equal('nn.' .. name, torch.type(object))
  assert.is_truthy(tostring(object):find('^nn%.' .. name), tostring(object))
end

describe('the manifest of nn', function()
  for kind, text in pairs(names.classes) do
    describe(kind:gsub('_', ' '), function()
      for _, name in ipairs(names.of(text)) do
        it('has nn.' .. name, function() check_class(name, kind ~= 'bases') end)
      end
    end)
  end

  it('has other classes', function()
    for _, name in ipairs(names.of(names.others)) do check_class(name, false) end
  end)

  for tbl, text in pairs(names.functions) do
    it('has functions of nn.' .. tbl, function()
      for _, name in ipairs(names.of(text)) do
        assert.equal('function', type(nn[tbl][name]), name)
      end
    end)
  end

  it('has functions', function()
    for _, name in ipairs(names.of(names.calls)) do
      assert.equal('function', type(nn[name]), name)
    end
  end)

  for class, text in pairs(names.methods) do
    it('has methods of nn.' .. class, function()
      for _, name in ipairs(names.of(text)) do
        assert.equal('function', type(nn[class][name]), name)
      end
    end)
  end
end)
