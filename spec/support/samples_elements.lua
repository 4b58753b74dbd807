--- Sample calls of operations: numbers, shapes and types of elements. Entries are as
-- spec/support/samples.lua says.
return function(explicit)
  -- There is no derivative by the order: it is a whole number.
  explicit.polygamma = {
    {{2, 3}, args = function(x) return 1, x end, method_differs = true},
    {{4}, args = function(x) return 2, x end, method_differs = true}}

  -- ops/elements.c
  local function pair() return {{{2, 3}, {2, 3}}, {{2, 3}, {3}}} end
  explicit.clamp_tensor = {
    {{2, 3}, {2, 3}}, {{2, 3}, {3}, args = function(x, y) return x, nil, y end},
    {{4}, {4}, args = function(x, y) return x, y, 1.5 end}}
  explicit.clamp_min, explicit.clamp_max = pair(), pair()
  explicit.clamp_min[3] = {{4}, args = function(x) return x, 0.5 end}
  explicit.nan_to_num = {{{2, 3}}}
  explicit.prelu = {
    {{2, 3}, {1}}, {{2, 3}, {3}}, {{2, 3}, {1}, bounds = {-2, -0.1}}}
  explicit.glu = {{{3, 4}}, {{2, 3}, args = function(x) return x, 1 end}}
  explicit.softmin = {{{3, 4}}, {{3, 4}, args = function(x) return x, 1 end}}
  explicit.gelu_approximate = {
    {{2, 3}, args = function(x) return x, 'tanh' end},
    {{2, 3}, args = function(x) return x, 'none' end}}
  explicit.true_divide, explicit.float_power, explicit.ldexp = pair(), pair(), pair()
  explicit.bitwise_not = {{{2, 3}}}
  explicit.isclose, explicit.allclose = pair(), pair()
end
