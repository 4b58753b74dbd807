--- Sample calls of operations: indexing, joining and shapes. Entries are as
-- spec/support/samples.lua says.
return function(explicit, tools)
  local long, no_tensor, on_copy = tools.long, tools.no_tensor, tools.on_copy

  -- ops/put.c
  local places = {{1, 6}, {4, 2}}
  explicit.take = {
    {{2, 3}, args = function(x) return x, long(1, 6, 4, 4) end},
    {{2, 3}, args = function(x) return x, torch.LongTensor(places) end}}
  explicit.put = {
    {{2, 3}, {4}, args = function(x, s) return x, torch.LongTensor(places), s end},
    {{2, 3}, {3}, args = function(x, s) return x, long(2, 2, 5), s, true end},
    {{2, 3}, args = function(x) return x, long(2, 5), 2 end}}

  -- ops/fill.c
  explicit.arange = {no_tensor(5), no_tensor(1, 2, 0.25), no_tensor(3, -3, -2)}
  explicit.logspace = {no_tensor(0, 2, 3), no_tensor(-1, 1, 4, 2)}

  -- ops/shapes.c
  explicit.viewAs = {{{2, 6}, args = function(x) return x, torch.zeros(3, 4) end,
    needs_contiguous = true}}
  explicit.expandAs = {{{3, 1}, args = function(x) return x, torch.zeros(2, 3, 4) end}}
  explicit.flatten = {
    {{2, 3, 2}}, {{2, 3, 2}, args = function(x) return x, 2 end},
    {{2, 3, 2}, args = function(x) return x, 1, -2 end}, {{}}}
  explicit.unflatten = {
    {{2, 6}, args = function(x) return x, 2, 3, 2 end},
    {{4, 3}, args = function(x) return x, -2, {-1, 2} end}}
  explicit.adjoint = {{{2, 3}}, {{2, 3, 4}}}
  explicit.flip = {
    {{5}, args = function(x) return x, 1 end}, {{2, 3, 2}, args = function(x) return x, 1, -1 end},
    {{2, 3}, args = function(x) return x, {2} end}}
  explicit.fliplr, explicit.flipud = {{{2, 3}}}, {{{3, 2}}, {{4}}}
  explicit.rot90 = {
    {{2, 3}}, {{2, 3}, args = function(x) return x, 2 end},
    {{2, 3}, args = function(x) return x, -1 end},
    {{2, 3, 4}, args = function(x) return x, 3, {2, 3} end}}
  explicit.roll = {
    {{5}, args = function(x) return x, 2 end}, {{2, 3}, args = function(x) return x, -1, 2 end},
    {{2, 3, 4}, args = function(x) return x, {1, 2}, {1, 3} end},
    {{2, 3}, args = function(x) return x, 2 end}}
  explicit.tile = {
    {{2, 3}, args = function(x) return x, 2 end}, {{3}, args = function(x) return x, 2, 2 end}}
  explicit.repeat_interleave = {
    {{2, 3}, args = function(x) return x, 2 end},
    {{2, 3}, args = function(x) return x, 2, -1 end},
    {{2, 3}, args = function(x) return x, long(3, 0), 1 end}}

  -- ops/diagonal.c
  explicit.diagonal = {
    {{3, 4}}, {{3, 4}, args = function(x) return x, 1 end},
    {{2, 3, 3}, args = function(x) return x, -1, 2, 3 end},
    {{2, 3, 3}, args = function(x) return x, 0, -1, 1 end}}
  explicit.select_scatter = {
    {{3, 4}, {3}, args = function(x, s) return x, s, 2, 3 end},
    {{2, 3, 2}, {2, 2}, args = function(x, s) return x, s, -2, -1 end}}
  explicit.slice_scatter = {
    {{3, 2}, {3, 2}},
    {{5, 2}, {2, 2}, args = function(x, s) return x, s, 1, 2, 3 end},
    {{5, 2}, {2, 2}, args = function(x, s) return x, s, 1, 2, -1, 2 end}}
  explicit.diagonal_scatter = {
    {{3, 4}, {3}}, {{3, 4}, {2}, args = function(x, s) return x, s, -1 end},
    {{2, 3, 3}, {2, 3}, args = function(x, s) return x, s, 0, 2, 3 end}}
  explicit.narrow_copy = {{{3, 4}, args = function(x) return x, 2, 2, 3 end}}
  explicit.diag_embed = {
    {{3}}, {{2, 3}}, {{2, 3}, args = function(x) return x, 1 end},
    {{2, 3}, args = function(x) return x, -1, 1, 3 end}}
  explicit.diagflat = {{{2, 2}}, {{3}, args = function(x) return x, 1 end}}
  explicit.fill_diagonal = {
    {{3, 4}, args = function(x) return x, 1.5 end, call = on_copy},
    {{7, 2}, args = function(x) return x, 2, true end, call = on_copy},
    {{3, 3, 3}, {}, call = on_copy}}
  explicit.fill_diagonal[1].args = function(x) return x, 2 end

  -- ops/stack.c
  explicit.stack = {
    {{2, 3}, {2, 3}}, {{2, 3}, {2, 3}, args = function(x, y) return {x, y, x}, 2 end},
    {{3}, {3}, args = function(x, y) return {x, y}, -1 end}, {{}, {}}}
  explicit.hstack = {{{2, 3}, {2, 1}}, {{2}, {3}}}
  explicit.vstack = {{{2, 3}, {1, 3}}, {{3}, {3}}, {{3}, {2, 3}}}
  explicit.dstack = {{{2, 3}, {2, 3}}, {{3}, {3}}, {{2, 3, 1}, {2, 3, 2}}}
  explicit.column_stack = {{{3}, {3}}, {{3, 2}, {3}}}

  -- ops/scatter_reduce.c
  local positions = {{1, 3, 2}, {2, 2, 1}}
  local function reduced(...)
    local more = {...}
    return function(x, s)
      return x, 2, torch.LongTensor(positions), s, (table.unpack or unpack)(more)
    end
  end
  explicit.scatter_reduce = {}
  for _, reduce in ipairs {'sum', 'prod', 'mean', 'amax', 'amin'} do
    for _, self in ipairs {true, false} do
      table.insert(explicit.scatter_reduce, {{2, 4}, {2, 3}, args = reduced(reduce, self)})
    end
  end
  explicit.scatter_reduce[11] = {{3, 3}, {2, 3}, args = function(x, s)
    return x, 1, torch.LongTensor(positions), s, 'prod'
  end}
  explicit.scatter_with = {
    {{2, 4}, {2, 3}, args = reduced('add')}, {{2, 4}, {2, 3}, args = reduced('multiply')},
    {{2, 4}, args = function(x) return x, 2, torch.LongTensor(positions), 2, 'add' end}}
  explicit.index_reduce = {}
  for k, reduce in ipairs {'prod', 'mean', 'amax', 'amin'} do
    explicit.index_reduce[k] = {{4, 3}, {3, 3}, args = function(x, s)
      return x, 1, long(3, 1, 3), s, reduce, k % 2 == 1
    end}
  end
  explicit.take_along_dim = {
    {{2, 3}, args = function(x) return x, torch.LongTensor {{3, 1}}, 2 end},
    {{2, 3}, args = function(x) return x, long(6, 1, 1) end},
    {{1, 3}, args = function(x) return x, torch.LongTensor {{1}, {3}}, -1 end}}

  -- ops/member.c
  explicit.one_hot = {{{2, 3}}, {{4}, args = function(x) return x, 5 end}}
  explicit.isin = {{{2, 3}, {4}}, {{2, 3}, args = function(x) return x, 1 end},
    {{5}, args = function(x) return x, long(1, 2), true end}}
end
