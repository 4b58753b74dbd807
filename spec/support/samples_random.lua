--- Sample calls of operations: random numbers. Entries are as spec/support/samples.lua says.
return function(explicit, tools) -- luacheck: ignore
end
