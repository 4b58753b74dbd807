--- Sample calls of operations: products and linear algebra. Entries are as spec/support/samples.lua says.
return function(explicit, tools) -- luacheck: ignore
end
