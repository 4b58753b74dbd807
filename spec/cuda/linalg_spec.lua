-- Linear algebra on a GPU against the CPU's. Factors that are unique are compared; eigenvectors and
-- singular vectors, whose signs are free, by what they make.
local torch = require 'torch'

if not torch.cuda.is_available() then return end

local beside = require 'spec.cuda.beside'

local TOLERANCE = { float64 = 1e-9, float32 = 2e-3, float16 = 3e-2, bfloat16 = 2e-1 }
local WATCH = 'solve_lu solve_triangle lu_factor cholesky inverse det log_det pivot_matrix qr ' ..
  'geqrf orgqr ormqr least_squares eigh svd pseudoinverse'
local same = beside.same

local function matrices(dtype, ...) return torch.randn(...):to(dtype) end

-- Far from singular.
local function regular(dtype, ...)
  local a = torch.randn(...)
  local n = a:size(a:dim())
  return torch.add(a, torch.eye(n):mul(3 + n / 4):expandAs(a)):to(dtype)
end

local function positive(dtype, ...)
  local a = torch.randn(...)
  local n = a:size(a:dim())
  a = torch.matmul(a, a:transpose(a:dim() - 1, a:dim()))
  return torch.add(a, torch.eye(n):expandAs(a)):to(dtype)
end

local function triangle(dtype, upper, ...)
  local a = regular('float32', ...)
  return (upper and torch.triu(a) or torch.tril(a)):to(dtype)
end

local function each_way(what, fn, tolerance, ...)
  for _, way in ipairs(beside.WAYS) do
    same(what .. ', ' .. way[1], fn, tolerance, (table.unpack or unpack)(
      beside.map(way[2], { n = select('#', ...), ... })))
  end
end

describe('linear algebra', function()
  before_each(function() torch.manualSeed(5) end)

  for _, dtype in ipairs(beside.FLOATS) do
    local tolerance = TOLERANCE[dtype]

    it('solves triangles of ' .. dtype, function()
      for _, upper in ipairs { true, false } do
        for _, transposed in ipairs { true, false } do
          for _, unit in ipairs { true, false } do
            same('solve', function(b, a)
              return (torch.triangular_solve(b, a, upper, transposed, unit))
            end, tolerance, matrices(dtype, 5, 3), triangle(dtype, upper, 5, 5))
          end
        end
      end
      same('batch', function(b, a) return (torch.trtrs(b, a)) end, tolerance,
        matrices(dtype, 2, 3, 4, 2), triangle(dtype, true, 2, 3, 4, 4))
    end)

    it('makes Cholesky factors of ' .. dtype, function()
      for _, upper in ipairs { true, false } do
        same('one', function(a) return torch.cholesky(a, upper) end, tolerance,
          positive(dtype, 6, 6))
        same('batch', function(a) return torch.cholesky(a, upper) end, tolerance,
          positive(dtype, 3, 2, 4, 4))
      end
      same('solve', function(b, l) return torch.cholesky_solve(b, l) end, tolerance,
        matrices(dtype, 5, 2), triangle(dtype, false, 5, 5))
    end)

    it('makes LU factors of ' .. dtype, function()
      for _, sizes in ipairs { { 1, 1 }, { 5, 5 }, { 7, 4 }, { 4, 7 }, { 2, 3, 4, 4 } } do
        sizes = torch.LongStorage(sizes)
        same('factors', torch.lu_factor, tolerance, matrices(dtype, sizes))
        beside.same_but(WATCH, 'unpacked', function(a)
          return torch.lu_unpack(torch.lu_factor(a))
        end, tolerance, matrices(dtype, sizes))
      end
    end)

    it('solves systems of ' .. dtype, function()
      same('gesv', torch.gesv, tolerance, matrices(dtype, 5, 3), regular(dtype, 5, 5))
      same('solve', torch.solve, tolerance, regular(dtype, 3, 4, 4), matrices(dtype, 3, 4))
      same('inverse', torch.inverse, tolerance, regular(dtype, 2, 5, 5))
      same('det', torch.det, tolerance * 100, regular(dtype, 4, 4))
      same('det of a batch', torch.det, tolerance * 10, matrices(dtype, 5, 3, 3))
      same('slogdet', torch.slogdet, tolerance, matrices(dtype, 5, 3, 3))
    end)
  end

  for _, dtype in ipairs(beside.FLOATS) do
    local tolerance = TOLERANCE[dtype]

    it('makes QR factors of ' .. dtype, function()
      for _, sizes in ipairs { { 1, 1 }, { 5, 5 }, { 7, 4 }, { 4, 7 }, { 2, 3, 5, 4 } } do
        sizes = torch.LongStorage(sizes)
        same('reduced', torch.qr, tolerance, matrices(dtype, sizes))
        same('complete', function(a) return torch.qr(a, 'complete') end, tolerance,
          matrices(dtype, sizes))
        same('reflectors', torch.geqrf, tolerance, matrices(dtype, sizes))
        local v, tau = torch.geqrf(matrices(dtype, sizes))
        same('orgqr', torch.orgqr, tolerance, v, tau)
        for _, side in ipairs { 'L', 'R' } do
          for _, way in ipairs { 'N', 'T' } do
            local m = sizes[#sizes - 1]
            local other = sizes:totable()
            other[#other - 1], other[#other] = side == 'L' and m or 3, side == 'L' and 3 or m
            same('ormqr ' .. side .. way, function(a, t, c)
              return torch.ormqr(a, t, c, side, way)
            end, tolerance, v, tau, matrices(dtype, torch.LongStorage(other)))
          end
        end
      end
    end)

    it('finds least squares of ' .. dtype, function()
      same('tall', torch.gels, tolerance, matrices(dtype, 7, 2), matrices(dtype, 7, 4))
      same('wide', torch.gels, tolerance * 10, matrices(dtype, 4, 2), matrices(dtype, 4, 7))
      same('square', torch.gels, tolerance, matrices(dtype, 2, 4, 1), regular(dtype, 2, 4, 4))
    end)
  end

  -- a v = v diag(w), and v' v = 1.
  local function is_eigen(a, w, v, what, tolerance)
    a, w, v = a:double(), w:cpu():double(), v:cpu():double()
    local last, n = a:dim(), a:size(a:dim())
    beside.near(torch.matmul(v, torch.cmul(w:unsqueeze(last), torch.eye(n):double():expandAs(a))),
      torch.matmul(a, v), what, tolerance)
    beside.near(torch.matmul(v:transpose(last - 1, last), v), torch.eye(n):double():expandAs(a),
      what .. ', orthogonal', tolerance)
  end

  local function is_singular(a, u, s, v, what, tolerance)
    a, u, s, v = a:double(), u:cpu():double(), s:cpu():double(), v:cpu():double()
    local last, k = a:dim(), s:size(s:dim())
    for _, x in ipairs { u, v } do
      local square = torch.matmul(x:transpose(last - 1, last), x)
      beside.near(square, torch.eye(x:size(last)):double():expandAs(square),
        what .. ', orthogonal', tolerance)
    end
    u, v = u:narrow(last, 1, k), v:narrow(last, 1, k)
    beside.near(torch.matmul(torch.cmul(u, s:unsqueeze(last - 1):expandAs(u)),
      v:transpose(last - 1, last)), a, what, tolerance)
  end

  for _, dtype in ipairs(beside.FLOATS) do
    local tolerance = TOLERANCE[dtype]

    it('finds eigenvalues of symmetric matrices of ' .. dtype, function()
      for _, sizes in ipairs { { 1, 1 }, { 2, 2 }, { 5, 5 }, { 8, 8 }, { 3, 2, 4, 4 } } do
        local a = matrices(dtype, torch.LongStorage(sizes))
        a = torch.add(a, a:transpose(#sizes - 1, #sizes))
        same('values', torch.eigvalsh, tolerance, a)
        local before = torch.cuda.detours().eigh
        local w, v = torch.eigh(a:cuda())
        assert.are.equal(before, torch.cuda.detours().eigh)
        is_eigen(a, w, v, dtype, tolerance)
      end
      for _, part in ipairs { 'L', 'U' } do
        same('triangle ' .. part, function(a) return (torch.eigh(a, part)) end, tolerance,
          matrices(dtype, 5, 5))
      end
    end)

    it('finds singular values of ' .. dtype, function()
      for _, sizes in ipairs { { 1, 1 }, { 5, 5 }, { 7, 3 }, { 3, 7 }, { 2, 3, 5, 4 } } do
        local a = matrices(dtype, torch.LongStorage(sizes))
        same('values', torch.svdvals, tolerance, a)
        local before = torch.cuda.detours().svd
        for _, job in ipairs { 'S', 'A' } do
          local u, s, v = torch.svd(a:cuda(), job)
          assert.are.equal(before, torch.cuda.detours().svd)
          is_singular(a, u, s, v, dtype .. ' ' .. job, tolerance)
        end
      end
    end)
  end

  it('finds values that are equal, or 0', function()
    local w, v = torch.eigh(torch.eye(4):mul(2):cuda())
    is_eigen(torch.eye(4):mul(2), w, v, 'equal', 1e-6)
    local one = torch.ones(4, 4)
    w, v = torch.eigh(one:cuda())
    is_eigen(one, w, v, 'ones', 1e-5)
    w, v = torch.eigh(torch.zeros(3, 3):cuda())
    is_eigen(torch.zeros(3, 3), w, v, 'zeros', 0)
    for _, job in ipairs { 'S', 'A' } do
      local u, s
      u, s, v = torch.svd(torch.ones(5, 3):cuda(), job)
      is_singular(torch.ones(5, 3), u, s, v, 'rank 1', 1e-5)
      u, s, v = torch.svd(torch.zeros(3, 3):cuda(), job)
      is_singular(torch.zeros(3, 3), u, s, v, 'rank 0', 1e-5)
    end
    beside.same_but(WATCH, 'pinv', torch.pinv, 1e-3, torch.randn(2, 5, 3))
    beside.same_but(WATCH, 'lstsq', torch.lstsq, 1e-2, torch.randn(5, 3), torch.randn(5, 2))
  end)

  it('reads matrices of any strides', function()
    each_way('lu', torch.lu_factor, 1e-4, torch.randn(6, 4))
    each_way('cholesky', torch.cholesky, 1e-4, positive('float32', 5, 5))
    each_way('solve', torch.gesv, 1e-4, torch.randn(5, 3), regular('float32', 5, 5))
    each_way('qr', torch.qr, 1e-4, torch.randn(6, 4))
    each_way('gels', torch.gels, 1e-3, torch.randn(6, 2), torch.randn(6, 4))
    each_way('inverse', torch.inverse, 1e-4, regular('float32', 5, 5))
  end)

  it('works on larger ones', function()
    same('lu', torch.lu_factor, 1e-9, matrices('float64', 45, 37))
    same('solve', torch.gesv, 1e-9, matrices('float64', 40, 35), regular('float64', 40, 40))
    same('cholesky', torch.cholesky, 1e-9, positive('float64', 40, 40))
    same('qr', torch.qr, 1e-9, matrices('float64', 300, 9))
    local a = positive('float32', 24, 24)
    local w, v = torch.eigh(a:cuda())
    is_eigen(a, w, v, 'eigh', 1e-4)
    local u, s
    u, s, v = torch.svd(a:narrow(1, 1, 17):cuda())
    is_singular(a:narrow(1, 1, 17), u, s, v, 'svd', 1e-4)
    same('qr of a wide one', torch.qr, 1e-9, matrices('float64', 20, 60))
  end)

  it('of nothing is nothing', function()
    local none = torch.zeros(0, 3, 3)
    if none:dim() == 3 then same('inverse', torch.inverse, 0, none) end
  end)

  it('says what is wrong, as the CPU does', function()
    local singular = torch.Tensor { { 1, 2 }, { 2, 4 } }
    local nan = torch.Tensor { { 1, 0 / 0 }, { 0 / 0, 1 } }
    for what, fn in pairs {
      inverse = function(x) return torch.inverse(x(singular)) end,
      gesv = function(x) return torch.gesv(x(torch.ones(2, 1)), x(singular)) end,
      cholesky = function(x) return torch.cholesky(x(singular:clone():mul(-1))) end,
      nan = function(x) return torch.cholesky(x(nan)) end,
      gels = function(x) return torch.gels(x(torch.ones(3, 1)), x(torch.zeros(3, 2))) end,
      eigh = function(x) return torch.eigh(x(nan)) end,
      svd = function(x) return torch.svd(x(nan)) end,
      trtrs = function(x) return torch.trtrs(x(torch.ones(2, 1)), x(torch.zeros(2, 2))) end,
    } do
      local _, here = pcall(fn, function(t) return t end)
      local ok, there = pcall(fn, function(t) return t:cuda() end)
      assert.is_false(ok, what)
      assert.are.equal(here:gsub('^.-:%d+: ', ''), (there:gsub('^.-:%d+: ', '')))
    end
  end)

  it('has gradients', function()
    local options = { twice = true, tolerance = 1e-8, watch = WATCH }
    local function check(what, fn, ...) beside.gradients(what, fn, options, ...) end
    local a, b = regular('float64', 2, 4, 4), matrices('float64', 2, 4, 3)
    check('solve', torch.solve, a, b)
    check('inverse', torch.inverse, a)
    check('det', torch.det, a)
    check('logdet', function(x) return (select(2, torch.slogdet(x))) end, a)
    check('lu', function(x) return (torch.lu_factor(x)) end, a)
    check('qr', torch.qr, a)
    check('qr of a tall one', torch.qr, matrices('float64', 5, 3))
    check('qr of a wide one', torch.qr, matrices('float64', 3, 5))
    check('eigh', function(x)
      local w, v = torch.eigh(torch.add(x, x:transpose(2, 3)))
      return w, torch.cmul(v, v)
    end, a)
    check('svd', function(x)
      local u, d, v = torch.svd(x)
      return torch.cmul(u, u), d, torch.cmul(v, v)
    end, matrices('float64', 2, 5, 3))
    check('pinv', torch.pinv, matrices('float64', 4, 3))
    check('cholesky', torch.cholesky, positive('float64', 2, 4, 4))
    check('triangle', function(x, y) return (torch.trtrs(y, x)) end, triangle('float64', true, 4,
      4), matrices('float64', 4, 2))
  end)
end)
