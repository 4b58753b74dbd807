--- Sample calls of operations: numbers, shapes and types of elements. Entries are as
-- spec/support/samples.lua says.
return function(explicit)
  -- The derivative by the order is none: it is a whole number.
  explicit.polygamma = {
    {{2, 3}, args = function(x) return 1, x end, method_differs = true},
    {{4}, args = function(x) return 2, x end, method_differs = true}}
end
