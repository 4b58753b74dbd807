--- Sample calls of operations: convolution, padding, resizing and Fourier transforms. Entries are
-- as spec/support/samples.lua says.
return function(explicit, tools) -- luacheck: ignore
end
