--- A set of tests for torch.Tester, under names of which each can be used once.
-- The functions are in the field __tests; __isTestSuite tells that there are such fields.
local class = require 'torch.class'

local package = {}
local TestSuite = class.class('torch.TestSuite', package)

--- Tests are added as fields: function suite.myTest() ... end. _setUp and _tearDown are called
-- with the name of each test before and after it.
function TestSuite:__init()
  rawset(self, '__tests', {})
  rawset(self, '__isTestSuite', true)
end

function TestSuite:__index__(name)
  return self.__tests[name], true
end

function TestSuite:__newindex__(name, test)
  if self.__tests[name] ~= nil then
    error(('TestSuite: test %s is already defined'):format(tostring(name)), 3)
  end
  if type(test) ~= 'function' then
    error(('TestSuite: test %s must be a function, got %s'):format(tostring(name), type(test)), 3)
  end
  self.__tests[name] = test
  return true
end

return package.TestSuite
