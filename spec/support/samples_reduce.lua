--- Sample calls of operations: reductions, scans, sorting and statistics. Entries are as
-- spec/support/samples.lua says.
return function(explicit, tools)
  local long = tools.long

  -- ops/amax.c, ops/reduce_dims.c
  local function reduction()
    return {
      {{2, 3}}, {{5}},
      {{2, 3}, args = function(x) return x, 1 end},
      {{2, 3, 4}, args = function(x) return x, 3, false end}}
  end
  for _, name in ipairs {'amax', 'amin', 'aminmax', 'nansum', 'nanmean', 'count_nonzero'} do
    explicit[name] = reduction()
  end
  local function several()
    return {
      {{2, 3, 4}, args = function(x) return x, {1, 3} end},
      {{2, 3, 4}, args = function(x) return x, {2, 3}, false end},
      {{2, 3}, args = function(x) return x, {-1} end},
      {{2, 3, 2}, args = function(x) return x, {1, 2, 3}, false end}}
  end
  for _, name in ipairs {'sum', 'mean', 'prod', 'amax', 'amin', 'logsumexp', 'all', 'any', 'nansum',
      'nanmean', 'count_nonzero'} do
    explicit[name .. '_dims'] = several()
  end
  local function spread()
    return {
      {{2, 3, 4}, args = function(x) return x, {1, 3} end},
      {{2, 3, 2}, args = function(x) return x, {2, 3}, true, false end},
      {{3, 4}, args = function(x) return x, {1}, false, true, 2 end}}
  end
  explicit.var_dims, explicit.std_dims = spread(), spread()
  explicit.var_mean, explicit.std_mean = spread(), spread()
  explicit.var_mean[4], explicit.std_mean[4] = {{3, 2}}, {{3, 2}}
  explicit.norm_dims = {
    {{2, 3, 4}, args = function(x) return x, 2, {1, 3} end},
    {{2, 3, 2}, args = function(x) return x, 1.5, {2, 3}, false end}}
  explicit.max_pair, explicit.min_pair = {{{2, 3}, {2, 3}}, {{2, 3}, {3}}},
    {{{2, 3}, {2, 3}}, {{2, 1}, {3}}}

  -- ops/scan.c, ops/scan_extremes.c
  local function scan()
    return {{{5}}, {{3, 4}, args = function(x) return x, 2 end}, {{2, 3, 2}}}
  end
  explicit.cumprod, explicit.logcumsumexp = scan(), scan()
  explicit.logcumsumexp[4] = {{3, 4}, args = function(x) return x, 1, true end}
  explicit.cummax, explicit.cummin = scan(), scan()

  -- ops/select_kth.c
  local function line()
    return {
      {{5}}, {{3, 4}, args = function(x) return x, 1 end},
      {{2, 3, 4}, args = function(x) return x, -2, false end}}
  end
  explicit.median_dim, explicit.mode = line(), line()
  explicit.nanmedian = {{{5}}, {{2, 3}}}
  explicit.nanmedian_dim = {
    {{3, 4}, args = function(x) return x, 1 end},
    {{2, 3, 4}, args = function(x) return x, -2, false end}}
  explicit.kthvalue = {
    {{5}, args = function(x) return x, 2 end}, {{3, 4}, args = function(x) return x, 3, 1 end},
    {{2, 3, 4}, args = function(x) return x, 1, -1, false end}}

  -- ops/counts.c, ops/unique.c
  explicit.histc = {
    {{20}, args = function(x) return x, 4, -2, 2 end}, {{3, 4}, args = function(x) return x, 3 end}}
  explicit.bhistc = {{{3, 4}, args = function(x) return x, 3, -2, 2 end}}
  explicit.bincount = {{{6}}, {{4}, args = function(x) return x, nil, 12 end}}
  explicit.searchsorted = {
    {{4}, args = function(x) return long(-1, 0, 1), x end},
    {{2, 3}, args = function(x) return long(-1, 0, 0, 1), x, true end}}
  explicit.bucketize = {{{2, 3}, args = function(x) return x, long(-1, 0, 0, 1) end}}
  explicit.histogram = {{{12}, args = function(x) return x, 4, -2, 2 end}}
  explicit.histogram_edges = {{{12}, args = function(x) return x, long(-1, 0, 2) end}}
  explicit.unique = {{{6}}, {{2, 3}}, {{3, 2}, args = function(x) return x, 1 end}}
  explicit.unique_consecutive = {{{6}}, {{2, 3}, args = function(x) return x, 2 end}}

  -- ops/statistics.c
  explicit.cov = {{{2, 4}}, {{5}}, {{3, 4}, args = function(x) return x, 0 end}}
  explicit.corrcoef = {{{2, 4}}}
  explicit.dist = {
    {{2, 3}, {2, 3}}, {{4}, {4}, args = function(a, b) return a, b, 1 end},
    {{4}, {4}, args = function(a, b) return a, b, 3 end}}
  explicit.trace = {{{3, 3}}, {{2, 3}}}
  explicit.cross = {{{3}, {3}}, {{2, 3}, {2, 3}},
    {{3, 3}, {3, 3}, args = function(a, b) return a, b, 2 end}}
  explicit.renorm = {
    {{3, 4}, args = function(x) return x, 2, 1, 1 end},
    {{2, 3, 2}, args = function(x) return x, 1, -1, 2.5 end}}
  explicit.diff = {
    {{5}}, {{3, 4}, args = function(x) return x, 2, 2 end},
    {{2, 3}, {1, 3}, args = function(x, y) return x, 1, 1, y end}}
  explicit.argsort = {{{5}}, {{3, 4}, args = function(x) return x, 1, true end}}
  explicit.msort = {{{5}}, {{3, 4}}}
  local function quantiles()
    return {
      {{5}, args = function(x) return x, 0.3 end},
      {{3, 4}, args = function(x) return x, 0.6, 1 end},
      {{3, 4}, args = function(x) return x, torch.DoubleTensor {0, 0.4, 1}, 2, false end},
      {{2, 5}, args = function(x) return x, 0.3, 2, true, 'midpoint' end},
      {{2, 5}, args = function(x) return x, 0.3, 2, true, 'nearest' end}}
  end
  explicit.quantile, explicit.nanquantile = quantiles(), quantiles()
end
