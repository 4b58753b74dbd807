--- Sample calls of operations: numbers, shapes and types of elements. Entries are as spec/support/samples.lua says.
return function(explicit, tools) -- luacheck: ignore
end
