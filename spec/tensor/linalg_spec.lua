-- Products and linear algebra: forms of calls, results that are given, shapes without elements,
-- errors. Values and gradients are in ops_spec.lua, op_types_spec.lua and golden_spec.lua.
local samples = require 'spec.support.samples'
local tensors = require 'spec.support.tensors'

local types = {{'torch.FloatTensor', 2e-5}, {'torch.DoubleTensor', 1e-12}}

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

local function draw(kind, ...)
  return samples.tensor({...}, -2, 2):type(kind)
end

local function eye(kind, n)
  return torch.eye(n):type(kind)
end

for _, entry in ipairs(types) do
  local kind, tolerance = entry[1], entry[2]
  local function same(a, b) tensors.assert_same(a, b, tolerance * 50) end

  describe('factors of ' .. kind, function()
    local a = draw(kind, 5, 5) + eye(kind, 5)
    local s = a * a:t() + eye(kind, 5)

    it('make the matrix again', function()
      for _, x in ipairs {a, a:t(), draw(kind, 6, 3), draw(kind, 3, 6),
          draw(kind, 8, 8)[{{}, {2, 4}}]} do
        local k = math.min(x:size(1), x:size(2))
        local u, values, v = torch.svd(x)
        same(x, u * torch.diag(values) * v:t())
        same(eye(kind, k), u:t() * u)
        same(eye(kind, k), v:t() * v)
        u, values, v = torch.svd(x, 'A')
        assert.same({x:size(1), x:size(1)}, u:size():totable())
        assert.same({x:size(2), x:size(2)}, v:size():totable())
        same(eye(kind, x:size(1)), u:t() * u)
        same(x, u:narrow(2, 1, k) * torch.diag(values) * v:narrow(2, 1, k):t())
        local q, r = torch.qr(x)
        same(x, q * r)
        same(eye(kind, k), q:t() * q)
        same(r, torch.triu(r))
        q, r = torch.qr(x, 'complete')
        same(x, q * r)
        same(eye(kind, x:size(1)), q * q:t())
        local p, l, w = torch.linalg.lu(x)
        same(x, p * l * w)
        same(x, x * torch.pinv(x) * x)
      end
    end)

    it('of symmetric matrices read one triangle', function()
      local e, v = torch.symeig(s, 'V')
      same(s, v * torch.diag(e) * v:t())
      same(e, (torch.symeig(torch.triu(s))))
      same(e, (torch.symeig(torch.tril(s), 'N', 'L')))
      same(e, torch.eigvalsh(torch.tril(s)))
      same(torch.potrf(s), torch.potrf(torch.triu(s)))
      same(torch.potrf(s, 'L'), torch.potrf(torch.tril(s), 'L'))
      same(s, torch.potrf(s):t() * torch.potrf(s))
      same(s, torch.cholesky(s) * torch.cholesky(s):t())
    end)

    it('solve equations', function()
      for _, b in ipairs {draw(kind, 5, 3), draw(kind, 3, 5):t(), draw(kind, 5)} do
        local column = b:dim() == 1 and b:view(5, 1) or b
        same(column, a * torch.gesv(b, a))
        same(column, s * torch.potrs(b, torch.potrf(s)))
        same(column, s * torch.potrs(b, torch.potrf(s, 'L'), 'L'))
        same(column, torch.triu(a) * torch.trtrs(b, a))
        same(column, torch.tril(a):t() * torch.trtrs(b, a, 'L', 'T'))
        same(column, a * torch.gels(b, a))
        same(b, torch.matmul(a, torch.solve(a, b)))
      end
      same(eye(kind, 5), a * torch.inverse(a))
      same(eye(kind, 5), s * torch.potri(torch.potrf(s)))
      same(eye(kind, 5), s * torch.potri(torch.potrf(s, 'L'), 'L'))
    end)

    it('by pivots take semidefinite matrices', function()
      for _, uplo in ipairs {'U', 'L'} do
        for _, columns in ipairs {2, 5} do
          local x = draw(kind, 5, columns)
          local c, pivots = torch.pstrf(x * x:t(), uplo)
          assert.equal('torch.IntTensor', pivots:type())
          local product = uplo == 'U' and c:t() * c or c * c:t()
          local order = pivots:long()
          same((x * x:t()):index(1, order):index(2, order), product)
        end
      end
    end)

    it('of any matrix have real and imaginary parts', function()
      local e, v = torch.eig(a, 'V')
      assert.same({5, 2}, e:size():totable())
      local k = 1
      while k <= 5 do
        local re, im = e[k][1], e[k][2]
        if im == 0 then
          same(a * v[{{}, k}], v[{{}, k}] * re)
          k = k + 1
        else
          local x, y = v[{{}, k}], v[{{}, k + 1}]
          assert.equal(-im, e[k + 1][2])
          same(a * x, x * re - y * im)
          same(a * y, y * re + x * im)
          k = k + 2
        end
      end
      same(e, (torch.eig(a)))
      local total = 0
      for i = 1, 5 do total = total + a[i][i] end
      same(total, e:select(2, 1):sum())
    end)

    it('as reflectors make what qr makes', function()
      for _, x in ipairs {draw(kind, 5, 3), draw(kind, 3, 5)} do
        local m, tau = torch.geqrf(x)
        local q, r = torch.qr(x)
        local k = q:size(2)
        same(q, torch.orgqr(m, tau))
        same(r, torch.triu(m):narrow(1, 1, k))
        local full = torch.qr(x, 'complete')
        local c, d = draw(kind, x:size(1), 2), draw(kind, 2, x:size(1))
        same(full * c, torch.ormqr(m, tau, c))
        same(full:t() * c, torch.ormqr(m, tau, c, 'L', 'T'))
        same(d * full, torch.ormqr(m, tau, d, 'R'))
        same(d * full:t(), torch.ormqr(m, tau, d, 'R', 'T'))
      end
    end)

    it('of least squares leave residuals', function()
      local x, b = draw(kind, 6, 3), draw(kind, 6, 2)
      local r, qr = torch.gels(b, x)
      assert.same({6, 2}, r:size():totable())
      same((torch.geqrf(x)), qr)
      local rest = torch.csub(x * r:narrow(1, 1, 3), b)
      same(torch.sum(torch.cmul(rest, rest), 1), torch.sum(torch.pow(r:narrow(1, 4, 3), 2), 1))
      same(torch.lstsq(x, b), r:narrow(1, 1, 3))
      x, b = draw(kind, 3, 6), draw(kind, 3, 2)
      same(b, x * torch.gels(b, x))
      same(torch.lstsq(x, b), (torch.gels(b, x)))
    end)
  end)

  describe('results that are given, of ' .. kind, function()
    local a = draw(kind, 4, 4) + eye(kind, 4) * 3
    local b = draw(kind, 4, 2)

    it('are filled and returned', function()
      local x, lu = torch.Tensor():type(kind), draw(kind, 7)
      local r1, r2 = torch.gesv(x, lu, b, a)
      assert.is_true(rawequal(r1, x) and rawequal(r2, lu))
      tensors.assert_same({torch.gesv(b, a)}, {x, lu})
      local u, s, v = x, lu, draw(kind, 3)
      torch.svd(u, s, v, b)
      tensors.assert_same({torch.svd(b)}, {u, s, v})
      torch.symeig(s, v, a, 'V')
      tensors.assert_same({torch.symeig(a, 'V')}, {s, v})
      torch.inverse(u, a)
      tensors.assert_same(torch.inverse(a), u)
    end)

    it('may be the inputs', function()
      local x, m = b:clone(), a:clone()
      torch.gesv(x, m, x, m)
      tensors.assert_same({torch.gesv(b, a)}, {x, m})
      m = a:clone()
      torch.inverse(m, m)
      tensors.assert_same(torch.inverse(a), m)
      m = a:clone()
      torch.inverse(m:t(), m)
      tensors.assert_same(torch.inverse(a):t(), m)
      local q, r = a:clone(), torch.Tensor():type(kind)
      torch.qr(q, r, q)
      tensors.assert_same({torch.qr(a)}, {q, r})
    end)

    it('may have gaps', function()
      local wide = torch.zeros(8, 8):type(kind)
      local x = wide[{{2, 5}, {1, 4}}]:t()
      torch.inverse(x, a)
      tensors.assert_same(torch.inverse(a), x)
      assert.equal(0, wide[1]:sum() + wide[6]:sum())
    end)
  end)
end

describe('matrices without elements', function()
  local none, flat = torch.zeros(0, 0), torch.zeros(0, 3)

  it('have factors', function()
    assert.equal(1, torch.det(none))
    assert.same({1, 0}, {torch.slogdet(none)})
    assert.same({0, 0}, torch.inverse(none):size():totable())
    for _, name in ipairs {'svd', 'qr', 'lu_factor', 'geqrf', 'pinv', 'svdvals'} do
      for _, x in ipairs {none, flat, flat:t(), torch.zeros(0, 2, 2), torch.zeros(2, 0, 2)} do
        assert.is_true(torch.isTensor((torch[name](x))), name)
      end
    end
    for _, name in ipairs {'potrf', 'potri', 'symeig', 'eig', 'eigh', 'matrix_exp', 'pstrf'} do
      for _, x in ipairs {none, torch.zeros(0, 2, 2), torch.zeros(2, 0, 0)} do
        assert.is_true(torch.isTensor((torch[name](x))), name)
      end
    end
    assert.same({3, 3}, torch.qr(flat:t(), 'complete'):size():totable())
    tensors.assert_same(torch.eye(3), (torch.qr(flat:t(), 'complete')))
    tensors.assert_same(torch.eye(3), select(3, torch.svd(flat, 'A')))
  end)

  it('solve equations', function()
    assert.same({3, 2}, torch.gels(torch.zeros(0, 2), flat):size():totable())
    assert.same({3, 2}, torch.lstsq(flat, torch.zeros(0, 2)):size():totable())
    assert.same({3, 0}, torch.gesv(torch.zeros(3, 0), torch.eye(3)):size():totable())
    assert.equal(0, torch.einsum('ij->', flat))
    assert.same({3, 3}, torch.einsum('ij,ik->jk', flat, flat):size():totable())
  end)
end)

describe('what cannot be calculated', function()
  local zero = torch.zeros(3, 3)
  local long = torch.ones(2, 2):long()

  it('says why', function()
    fails('inverse: the matrix is singular: pivot 1 is 0', torch.inverse, zero)
    fails('gesv: the matrix is singular: pivot 2 is 0', torch.gesv, torch.ones(2, 1),
      torch.ones(2, 2))
    fails('solve: .*pivot 3 is 0 %(matrix 2 of the batch%)', torch.solve,
      torch.cat(torch.eye(3):view(1, 3, 3), torch.diag(torch.Tensor {1, 2, 0}):view(1, 3, 3), 1),
      torch.ones(3))
    fails('trtrs: the matrix is singular: diagonal element 1 is 0', torch.trtrs, torch.ones(3, 1),
      zero)
    fails('potrf: .*leading minor of order 2 is not positive', torch.potrf,
      torch.diag(torch.Tensor {1, -1}))
    fails('gels: .*full rank', torch.gels, torch.ones(3, 1), torch.zeros(3, 2))
    fails('inverse: a square matrix expected, got a tensor of size %[2x3%]', torch.inverse,
      torch.ones(2, 3))
    fails('svd: a matrix expected, got a tensor of size %[3%]', torch.svd, torch.ones(3))
    fails('det: floating%-point numbers expected, got a tensor of int64', torch.det, long)
    fails('gesv: A of size %[2x2%] does not fit to B of size %[3x1%]', torch.gesv,
      torch.ones(3, 1), torch.eye(2))
    fails('gesv: tensors of one type expected, got float64 and float32', torch.gesv,
      torch.ones(2, 1), torch.eye(2):double())
    fails("'X' as argument 2 is none of U,L", torch.potrf, torch.eye(2), 'X')
  end)

  it('does not hang on values that are no numbers', function()
    for _, value in ipairs {0 / 0, math.huge} do
      local x = torch.zeros(40, 40):fill(value)
      for _, name in ipairs {'svd', 'svdvals', 'symeig', 'eigh', 'eig', 'pinv', 'potrf', 'pstrf',
          'matrix_rank', 'cholesky'} do
        fails(name .. ': the matrix holds values that are infinite or no number', torch[name], x)
      end
      for _, name in ipairs {'inverse', 'qr', 'lu_factor', 'det', 'geqrf', 'matrix_exp'} do
        pcall(torch[name], x)
      end
    end
  end)

  it('has no gradient', function()
    local x = torch.randn(4, 2):requiresGrad()
    local q = torch.qr(x, 'complete')
    fails('qr: the complete Q of a tall matrix has no gradient', function() q:sum():backward() end)
    local u = torch.svd(x, 'A')
    fails('svd: singular vectors beyond', function() u:sum():backward() end)
  end)
end)

describe('sums with products', function()
  local m, a, b = draw('torch.DoubleTensor', 3, 2), draw('torch.DoubleTensor', 3, 4),
    draw('torch.DoubleTensor', 4, 2)
  local left, right = draw('torch.DoubleTensor', 2, 3, 4), draw('torch.DoubleTensor', 2, 4, 2)

  -- name, the sum's tensor, both factors, their product
  local cases = {
    {'addmm', m, a, b, a * b},
    {'addmv', m[{{}, 1}]:clone(), a, b[{{}, 1}]:clone(), a * b[{{}, 1}]},
    {'addr', a, m[{{}, 1}]:clone(), b[{{}, 1}]:clone(), torch.ger(m[{{}, 1}], b[{{}, 1}])},
    {'baddbmm', torch.bmm(left, right) * 2, left, right, torch.bmm(left, right)},
    {'addbmm', m, left, right, torch.bmm(left, right):sum(1)[1]}}
  for _, case in ipairs(cases) do
    local name, t, x, y, product = case[1], case[2], case[3], case[4], case[5]
    local f = torch[name]

    it(name .. ' has all forms of Torch7', function()
      tensors.assert_same(t + product, f(t, x, y))
      tensors.assert_same(t + product * 2, f(t, 2, x, y))
      tensors.assert_same(t * 3 + product * 2, f(3, t, 2, x, y))
      tensors.assert_same(t * 3 + product, f(3, t, x, y))
      local res = torch.DoubleTensor()
      assert.is_true(rawequal(res, f(res, t, x, y)))
      tensors.assert_same(t + product, res)
      f(res, 3, t, 2, x, y)
      tensors.assert_same(t * 3 + product * 2, res)
      local r = t:clone()
      assert.is_true(rawequal(r, r[name](r, x, y)))
      tensors.assert_same(t + product, r)
      tensors.assert_same(t + product * 2, t:clone()[name](t:clone(), 2, x, y))
      r = t:clone()
      tensors.assert_same(t * 3 + product * 2, r[name](r, 3, 2, x, y))
      r = t:clone():fill(0 / 0)
      tensors.assert_same(product, r[name](r, 0, 1, x, y))
      tensors.assert_same(t + product, r[name](r, t, x, y))
      tensors.assert_same(t * 3 + product * 2, r[name](r, 3, t, 2, x, y))
      tensors.assert_same(t * 3 + product * 2, f(t, x, y, {beta = 3, alpha = 2}))
    end)

    it(name .. ' takes every type', function()
      for _, kind in ipairs {'Byte', 'Char', 'Short', 'Int', 'Long', 'Float', 'Half'} do
        kind = 'torch.' .. kind .. 'Tensor'
        local function whole(z) return torch.floor(torch.abs(z)):type(kind) end
        local expected = f(2, whole(t):double(), 3, whole(x):double(), whole(y):double())
        local got = f(2, whole(t), 3, whole(x), whole(y))
        assert.equal(kind, got:type())
        tensors.assert_same(expected, got:double(), 1e-3)
      end
    end)
  end

  it('name the function and the sizes', function()
    fails('addmm: shapes do not match: %[3x4%] %* %[3x4%]', torch.addmm, m, a, a)
    fails('addmm: a product of size %[3x2%] cannot be added to %[5x5%]', torch.addmm,
      torch.zeros(5, 5):double(), a, b)
    fails('addbmm: shapes do not match: %[2x3x4%] %* %[2x3x4%]', torch.addbmm, m, left, left)
    fails('matmul: shapes do not match: %[3x4%] %* %[3x4%]', torch.matmul, a, a)
    fails('matmul: shapes do not match: %[3%] %* %[4x2%]', torch.matmul, m[{{}, 1}], b)
    fails('matmul: shapes do not match: %[2x3x4%] %* %[2x3x4%]', torch.matmul, left, left)
    fails('matmul: shapes do not match: %[3x4%] %* %[3x4%]', function() return a * a end)
  end)
end)

describe('products of integers', function()
  it('are exact, and wrap around', function()
    local x = torch.LongTensor {{2 ^ 31 - 1}}
    -- (2^31 - 1)^2 = 2^62 - 2^32 + 1 is odd, which a double would not show
    assert.equal(1, torch.remainder(torch.mm(x, x), 2)[1][1])
    local y = torch.LongTensor {{2 ^ 32}}
    assert.equal(0, torch.mm(y, y)[1][1])
    assert.equal(-2 ^ 31, torch.mm(torch.IntTensor {{2 ^ 30}}, torch.IntTensor {{2}})[1][1])
    assert.equal(144, torch.mm(torch.ByteTensor {{20}}, torch.ByteTensor {{20}})[1][1])
  end)
end)

describe('einsum', function()
  it('says what is wrong', function()
    local a, b = torch.zeros(2, 3), torch.zeros(3, 4)
    fails("einsum: 'ij,jk%->ik' names 2 operands, got 1", torch.einsum, 'ij,jk->ik', a)
    fails("einsum: 'l' is in the result, but in no operand", torch.einsum, 'ij,jk->il', a, b)
    fails("einsum: the dimensions called 'j' have sizes 3 and 2", torch.einsum, 'ij,jk', a, a)
    fails("einsum: 'i' stands twice in the result", torch.einsum, 'ij->ii', a)
    fails("einsum: '1' is no letter", torch.einsum, 'i1', a)
    fails("einsum: operand 1 has 2 dimensions, but 'ijk' names 3", torch.einsum, 'ijk', a)
    fails('einsum: an equation .* expected, got number', torch.einsum, 3, a)
    fails('einsum: tensors expected, got string', torch.einsum, 'ij', 'x')
  end)

  it('keeps the type', function()
    for _, kind in ipairs {'Int', 'Long', 'Byte', 'Float', 'Half'} do
      local x = torch.ones(2, 3):type('torch.' .. kind .. 'Tensor')
      assert.equal(x:type(), torch.einsum('ij,kj->ik', x, x):type())
      assert.equal(x:type(), torch.einsum('ij->i', x):type())
      assert.equal(6, torch.einsum('ij->', x))
    end
  end)
end)

describe('cdist', function()
  it('is the same by products and by differences', function()
    local x, y = draw('torch.DoubleTensor', 20, 16), draw('torch.DoubleTensor', 17, 16)
    y[3]:copy(x[5])
    local d = torch.cdist(x, y)
    for _, at in ipairs {{1, 1}, {5, 3}, {20, 17}} do
      local i, j = at[1], at[2]
      tensors.assert_same(torch.csub(x[i], y[j]):norm(), d[i][j])
    end
    assert.equal(0, d[5][3])
    fails('cdist: p must not be negative, got %-1', torch.cdist, x, y, -1)
    fails('cdist: rows of one length expected', torch.cdist, x, y:narrow(2, 1, 3))
  end)

  it('has a gradient of zero where rows are equal', function()
    local x = torch.ones(2, 3):requiresGrad()
    for _, p in ipairs {0.5, 1, 2, 3, math.huge} do
      x.grad = nil
      torch.cdist(x, torch.ones(1, 3), p):sum():backward()
      assert.equal(0, torch.abs(x.grad):max())
    end
  end)
end)
