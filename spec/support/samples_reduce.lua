--- Sample calls of operations: reductions, scans, sorting and statistics. Entries are as spec/support/samples.lua says.
return function(explicit, tools) -- luacheck: ignore
end
