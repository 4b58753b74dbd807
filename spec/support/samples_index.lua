--- Sample calls of operations: indexing, joining and shapes. Entries are as spec/support/samples.lua says.
return function(explicit, tools) -- luacheck: ignore
end
