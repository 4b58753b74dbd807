--- Sample calls of operations: random numbers. Entries are as spec/support/samples.lua says.
return function(explicit, tools)
  local function filled(...)
    local values = {...}
    return {{{2, 3}, random = true, call = tools.seeded_on_copy,
      args = function(x) return x, (table.unpack or unpack)(values) end}}
  end
  explicit.log_normal = filled(0.5, 0.7)
  explicit.cauchy = filled(1, 2)
  explicit.geometric = filled(0.3)
end
