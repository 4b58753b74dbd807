--- Sample calls of operations: products and linear algebra. Entries are as
-- spec/support/samples.lua says.
--
-- Random matrices serve only where any matrix will do: `regular` ones are far from singular, those
-- that are `symmetric` have a gradient by each element that is the symmetric matrix's, and
-- `positive` ones have eigenvalues between about 1 and 9.
return function(explicit, tools) -- luacheck: ignore
  local function eye_like(x)
    return torch.eye(x:size(-1)):type(x:type())
  end
  local function regular(x) return x + eye_like(x) * 5 end
  local function symmetric(x) return x + x:transpose(-1, -2) end
  local function positive(x) return symmetric(x) + eye_like(x) * 9 end
  local function apart(x) -- eigenvalues and singular values that are well apart
    local n = math.min(x:size(-1), x:size(-2))
    local steps = torch.zeros(x:size(-2), x:size(-1)):type(x:type())
    for k = 1, n do steps[k][k] = 6 * k end
    return x + steps
  end
  local function lower(x) return torch.tril(x) + eye_like(x) * 2 end
  local function upper(x) return torch.triu(x) + eye_like(x) * 2 end
  local function whole_tensor(...) return torch.IntTensor {...} end

  -- ops/linalg_solve.c
  local function first_of(f, ...) return (f(...)) end
  explicit.gesv = {
    {{3, 2}, {3, 3}, args = function(b, a) return b, regular(a) end, call = first_of},
    {{3}, {3, 3}, args = function(b, a) return b, regular(a) end, call = first_of},
    {{2, 3, 2}, {2, 3, 3}, args = function(b, a) return b, regular(a) end, call = first_of}}
  explicit.solve = {
    {{3, 3}, {3, 2}, args = function(a, b) return regular(a), b end},
    {{3, 3}, {3}, args = function(a, b) return regular(a), b end},
    {{2, 3, 3}, {2, 3}, args = function(a, b) return regular(a), b end},
    {{2, 1, 2, 2}, {3, 2, 2}, args = function(a, b) return regular(a), b end}}
  local function squares()
    return {{{3, 3}, args = regular}, {{1, 1}, args = regular}, {{2, 2, 2}, args = regular}}
  end
  for _, name in ipairs {'inverse', 'det', 'slogdet', 'logdet'} do explicit[name] = squares() end
  explicit.det[4] = {{3, 3}}
  explicit.slogdet[4] = {{3, 3}}
  explicit.lu_factor = {{{3, 3}, args = function(x) return regular(x):index(-2,
    torch.LongTensor {3, 1, 2}) end}, {{2, 2, 2}, args = regular}}
  explicit.lu_unpack = {
    {{3, 3}, args = function(x) return x, whole_tensor(2, 3, 3) end},
    {{3, 2}, args = function(x) return x, whole_tensor(3, 3) end},
    {{2, 3}, args = function(x) return x, whole_tensor(1, 2) end}}

  -- ops/linalg_triangle.c
  explicit.trtrs = {
    {{3, 2}, {3, 3}}, {{3}, {3, 3}},
    {{3, 2}, {3, 3}, args = function(b, a) return b, a, 'L' end},
    {{3, 2}, {3, 3}, args = function(b, a) return b, a, 'U', 'T' end},
    {{3, 2}, {3, 3}, args = function(b, a) return b, a, 'L', 'T', 'U' end},
    {{2, 2, 2}, {2, 2, 2}, args = function(b, a) return b, a, 'U', 'N', 'U' end}}
  explicit.triangular_solve = {
    {{3, 2}, {3, 3}}, {{3, 2}, {3, 3}, args = function(b, a) return b, a, false end},
    {{3, 2}, {2, 3, 3}, args = function(b, a) return b, a, true, true, true end}}
  explicit.cholesky = {
    {{3, 3}, args = positive}, {{2, 2, 2}, args = positive},
    {{3, 3}, args = function(x) return positive(x), true end}}
  explicit.potrf = {
    {{3, 3}, args = positive}, {{3, 3}, args = function(x) return positive(x), 'L' end}}
  local function by_factor(word)
    return {
      {{3, 2}, {3, 3}, args = function(b, c) return b, word and upper(c) or lower(c) end},
      {{3}, {3, 3}, args = function(b, c) return b, word and upper(c) or lower(c) end},
      {{3, 2}, {2, 3, 3}, args = function(b, c)
        if word then return b, lower(c), 'L' end
        return b, upper(c), true
      end}}
  end
  explicit.potrs, explicit.cholesky_solve = by_factor('U'), by_factor()
  explicit.potri = {{{3, 3}, args = upper},
    {{3, 3}, args = function(c) return lower(c), 'L' end}}
  explicit.cholesky_inverse = {{{2, 3, 3}, args = lower},
    {{3, 3}, args = function(c) return upper(c), true end}}
  explicit.pstrf = {{{3, 3}, args = positive},
    {{3, 3}, args = function(x) return positive(x), 'L' end}}

  -- ops/linalg_qr.c
  explicit.qr = {
    {{4, 3}, args = apart}, {{3, 3}, args = apart}, {{2, 4}, args = apart},
    {{2, 3, 2}}, {{2, 3}, args = function(x) return apart(x), 'complete' end}}
  explicit.geqrf = {{{4, 3}, args = apart}, {{2, 3}, args = apart}}
  local function reflectors(x)
    return torch.geqrf(apart(x))
  end
  explicit.orgqr = {{{4, 3}, args = reflectors}, {{2, 3}, args = reflectors}}
  explicit.ormqr = {
    {{4, 3}, {4, 2}, args = function(x, c)
      local m, tau = reflectors(x)
      return m, tau, c
    end},
    {{4, 3}, {2, 4}, args = function(x, c)
      local m, tau = reflectors(x)
      return m, tau, c, 'R', 'T'
    end}}
  explicit.gels = {
    {{4, 2}, {4, 3}, args = function(b, a) return b, apart(a) end},
    {{2, 2}, {2, 4}, args = function(b, a) return b, apart(a) end},
    {{4}, {4, 3}, args = function(b, a) return b, apart(a) end}}

  -- ops/linalg_eigen.c: sums of squares and such, since the signs of vectors are not fixed
  local function apart_and_symmetric(x) return symmetric(apart(x)) end
  local function even(f, ...) -- what does not depend on a vector's sign
    local w, v = f(...)
    return w, torch.cmul(v, v)
  end
  explicit.eigh = {
    {{3, 3}, args = apart_and_symmetric, call = even},
    {{3, 3}, args = function(x) return apart_and_symmetric(x), 'U' end, call = even}}
  explicit.symeig = {
    {{3, 3}, args = apart_and_symmetric},
    {{3, 3}, args = function(x) return apart_and_symmetric(x), 'V' end, call = even},
    {{3, 3}, args = function(x) return apart_and_symmetric(x), 'V', 'L' end, call = even}}
  explicit.eigvalsh = {{{3, 3}, args = apart_and_symmetric},
    {{2, 2, 2}, args = function(x) return symmetric(x), 'U' end}}
  local function products(f, ...)
    local u, s, v = f(...)
    local k = s:size(-1)
    u, v = u:narrow(-1, 1, k), v:narrow(-1, 1, k)
    return s, torch.matmul(u, v:transpose(-1, -2)), torch.cmul(u, u), torch.cmul(v, v)
  end
  explicit.svd = {
    {{3, 3}, args = apart, call = products}, {{4, 2}, args = apart, call = products},
    {{2, 3}, args = apart, call = products}, {{2, 2, 2}, call = products},
    {{4, 2}, args = function(x) return apart(x), 'A' end,
      call = function(f, ...) return select(2, f(...)) * 1 end}}
  explicit.svdvals = {{{4, 2}, args = apart}, {{2, 2, 3}}}
  explicit.pinv = {{{4, 2}, args = apart}, {{2, 3}, args = apart}, {{2, 2, 2}, args = regular}}
  explicit.matrix_rank = {{{3, 4}}, {{2, 3, 2}}}
  explicit.lstsq = {
    {{4, 2}, {4, 3}, args = function(a, b) return apart(a), b end},
    {{2, 3}, {2}, args = function(a, b) return apart(a), b end}}
  local function parts(f, ...)
    local e, v = f(...)
    if v and v:nElement() > 0 then return e, torch.cmul(v, v) end
    return e
  end
  explicit.eig = {{{3, 3}, args = apart, call = parts},
    {{3, 3}, args = function(x) return apart(x), 'V' end, call = parts}}
  explicit.eigvals = {{{3, 3}, args = apart}}

  -- ops/linalg_products.c
  explicit.matrix_power = {
    {{3, 3}, args = function(a) return a, 3 end}, {{2, 2, 2}, args = function(a) return a, 6 end},
    {{3, 3}, args = function(a) return a, 1 end},
    {{3, 3}, args = function(a) return regular(a), -2 end}}
  explicit.matrix_exp = {
    {{3, 3}, args = function(a) return a * 0.5 end}, {{2, 2, 2}},
    {{2, 2}, args = function(a) return a * 4 end}, {{1, 1}}}
  explicit.inner = {{{3}, {3}}, {{2, 3}, {3}}, {{2, 3}, {2, 2, 3}}, {{}, {2, 3}}}
  explicit.kron = {{{2, 3}, {2, 2}}, {{2}, {3}}, {{2, 2}, {3}}, {{}, {2}}}
  explicit.vander = {
    {{4}}, {{3}, args = function(x) return x, 5 end},
    {{2, 3}, args = function(x) return x, 4, true end},
    {{3}, args = function(x) return x, 1 end}}
  explicit.addbmm = {
    {{3, 2}, {2, 3, 4}, {2, 4, 2}},
    {{3, 2}, {2, 3, 4}, {2, 4, 2}, args = function(m, a, b) return 0.5, m, 2, a, b end,
      method_differs = true}}

  -- ops/distance.c
  explicit.match = {
    {{2, 3}, {4, 3}}, {{3, 2}, {1, 2}, args = function(x, y) return x, y, 0.5 end}}
  explicit.cdist = {
    {{3, 2}, {4, 2}}, {{2, 3, 2}, {2, 2}},
    {{3, 2}, {2, 2}, args = function(x, y) return x, y, 1 end},
    {{3, 2}, {2, 2}, args = function(x, y) return x, y, 3 end},
    {{3, 2}, {2, 2}, args = function(x, y) return x, y, 0.5 end},
    {{3, 2}, {2, 2}, args = function(x, y) return x, y, math.huge end}}
end
