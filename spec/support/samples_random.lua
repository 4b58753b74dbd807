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
  explicit.poisson = {{{2, 3}, random = true, call = tools.seeded}}
  explicit.standard_gamma = {{{2, 3}, random = true, call = tools.seeded}}
  explicit.binomial = {{args = function() return torch.DoubleTensor {5, 50}, 0.3 end,
    random = true, call = tools.seeded}}
  explicit.normal_of = {{{2, 3}, {2, 3}, random = true, call = tools.seeded},
    {{3}, {2, 1}, random = true, call = tools.seeded}}
  explicit.multinomial_alias_setup = {{{5}}}
  explicit.multinomial_alias_draw = {{args = function()
    local aliases, thresholds = torch.multinomial_alias_setup(torch.DoubleTensor {1, 2, 3})
    return torch.LongTensor(4), aliases, thresholds
  end, random = true, call = tools.seeded}}
end
