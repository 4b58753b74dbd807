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
    check('cholesky', torch.cholesky, positive('float64', 2, 4, 4))
    check('triangle', function(x, y) return (torch.trtrs(y, x)) end, triangle('float64', true, 4,
      4), matrices('float64', 4, 2))
  end)
end)
