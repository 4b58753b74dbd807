-- Counts the assertions that specs make and that hold.
local counter = { passed = 0 }

local function counting(callback)
  return function(state, arguments, level)
    local holds, values = callback(state, arguments, level)
    if (not holds) ~= state.mod then counter.passed = counter.passed + 1 end
    return holds, values
  end
end

--- luassert's two tables: wraps each assertion when it is registered, and the call `assert(x)`.
function counter.start(assert_table, namespaces)
  local register, meta = assert_table.register, getmetatable(assert_table)
  local plain_call = meta.__call

  function assert_table.register(self, namespace, name, callback, ...)
    if namespace == 'assertion' then callback = counting(callback) end
    return register(self, namespace, name, callback, ...)
  end
  -- Those that luassert had registered before, if any.
  for _, assertion in pairs(namespaces.assertion or {}) do
    assertion.callback = counting(assertion.callback)
  end

  meta.__call = function(self, value, ...)
    if value then counter.passed = counter.passed + 1 end
    return plain_call(self, value, ...)
  end
end

return counter
