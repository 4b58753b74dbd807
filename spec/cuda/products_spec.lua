-- Products of vectors and matrices on a GPU against the CPU's. Where kernels are emulated, the
-- loops that stand for cuBLASLt check how matrices are described to it; the same cases then run in
-- a second process on the kernel that serves where there is no such library.
local torch = require 'torch'

if not torch.cuda.is_available() then return end

local beside = require 'spec.cuda.beside'
local program = require 'spec.vm.program'

local OWN = os.getenv('MOONLET_CUDA_PRODUCTS') == 'own'
local WATCH = 'mm bmm addmm baddbmm mv addmv ger addr dot linear'
local values, same = beside.values, beside.same

local DTYPES = {}
for _, dtype in ipairs(beside.FLOATS) do DTYPES[#DTYPES + 1] = dtype end
for _, dtype in ipairs(beside.INTEGERS) do DTYPES[#DTYPES + 1] = dtype end

-- Name, function, sizes of its tensors.
local CASES = {
  { 'mm', torch.mm, { 5, 7 }, { 7, 3 } },
  { 'mm, a row', torch.mm, { 1, 7 }, { 7, 3 } },
  { 'mm, a column', torch.mm, { 5, 7 }, { 7, 1 } },
  { 'mm, outer', torch.mm, { 5, 1 }, { 1, 4 } },
  { 'mm, nothing between', torch.mm, { 5, 0 }, { 0, 4 } },
  { 'mm, no rows', torch.mm, { 0, 3 }, { 3, 4 } },
  { 'bmm', torch.bmm, { 3, 4, 5 }, { 3, 5, 2 } },
  { 'bmm, none', torch.bmm, { 0, 4, 5 }, { 0, 5, 2 } },
  { 'mv', torch.mv, { 5, 7 }, { 7 } },
  { 'ger', torch.ger, { 5 }, { 7 } },
  { 'dot', torch.dot, { 6, 5 }, { 5, 6 } },
  { 'dot of nothing', torch.dot, { 0 }, { 0 } },
  { 'addmm', torch.addmm, { 5, 3 }, { 5, 7 }, { 7, 3 } },
  { 'addmm of a row', torch.addmm, { 3 }, { 5, 7 }, { 7, 3 } },
  { 'addmm of a column', torch.addmm, { 5, 1 }, { 5, 7 }, { 7, 3 } },
  { 'addmm, factors', function(m, a, b) return torch.addmm(2, m, 3, a, b) end,
    { 5, 3 }, { 5, 7 }, { 7, 3 } },
  { 'addmm, nothing between', function(m, a, b) return torch.addmm(2, m, 3, a, b) end,
    { 5, 3 }, { 5, 0 }, { 0, 3 } },
  { 'baddbmm', torch.baddbmm, { 3, 4, 2 }, { 3, 4, 5 }, { 3, 5, 2 } },
  { 'baddbmm of one', torch.baddbmm, { 4, 2 }, { 3, 4, 5 }, { 3, 5, 2 } },
  { 'addmv', function(m, a, b) return torch.addmv(2, m, 1, a, b) end, { 5 }, { 5, 7 }, { 7 } },
  { 'addmv of one', torch.addmv, { 1 }, { 5, 7 }, { 7 } },
  { 'addr', function(m, a, b) return torch.addr(-1, m, 2, a, b) end, { 5, 7 }, { 5 }, { 7 } },
  { 'addbmm', torch.addbmm, { 4, 2 }, { 3, 4, 5 }, { 3, 5, 2 } },
  { 'matmul', torch.matmul, { 2, 1, 3, 4 }, { 5, 4, 2 } },
  { 'matmul of a vector', torch.matmul, { 4 }, { 2, 4, 3 } },
}

local FLOAT_CASES = {
  { 'linear', torch.linear, { 5, 7 }, { 3, 7 }, { 3 } },
  { 'linear of one', torch.linear, { 7 }, { 3, 7 }, { 3 } },
  { 'linear of many', torch.linear, { 2, 3, 7 }, { 4, 7 }, { 4 } },
  { 'linear of none', torch.linear, { 0, 7 }, { 4, 7 }, { 4 } },
  { 'linear without bias', torch.linear, { 2, 3, 7 }, { 4, 7 } },
  { 'linear, no features', torch.linear, { 2, 0 }, { 4, 0 }, { 4 } },
}

local function tensors_of(case, dtype, way)
  local out = {}
  for i = 3, #case do
    out[#out + 1] = way(values(dtype, torch.LongStorage(case[i])))
  end
  return (table.unpack or unpack)(out)
end

describe(OWN and 'products by the own kernel' or 'products', function()
  before_each(function() torch.manualSeed(5) end)

  for _, dtype in ipairs(DTYPES) do
    it('of ' .. dtype, function()
      for _, case in ipairs(CASES) do
        same(dtype .. ' ' .. case[1], case[2], nil, tensors_of(case, dtype, beside.WAYS[1][2]))
      end
    end)
  end

  for _, way in ipairs(beside.WAYS) do
    it(way[1], function()
      for _, dtype in ipairs { 'float32', 'float64', 'bfloat16', 'int32' } do
        for _, list in ipairs { CASES, beside.TOLERANCE[dtype] and FLOAT_CASES or {} } do
          for _, case in ipairs(list) do
            same(('%s %s, %s'):format(dtype, case[1], way[1]), case[2], nil,
              tensors_of(case, dtype, way[2]))
          end
        end
      end
    end)
  end

  it('of one transposed and one plain operand', function()
    local t = function(x) return x:t():contiguous():t() end
    local a, b, m = torch.randn(6, 5), torch.randn(5, 9), torch.randn(6, 9)
    same('a', torch.addmm, nil, m, t(a), b)
    same('b', torch.addmm, nil, m, a, t(b))
    same('m', torch.addmm, nil, t(m), a, b)
    same('a and m', torch.addmm, nil, t(m), t(a), b)
  end)

  it('of expanded operands', function()
    local row = torch.randn(1, 7)
    same('mm', function(r, b) return torch.mm(r:expand(5, 7), b) end, nil, row, torch.randn(7, 3))
    same('bmm', function(a, b) return torch.bmm(a:expand(4, 5, 7), b) end, nil,
      torch.randn(1, 5, 7), torch.randn(4, 7, 3))
    same('column', function(a, b) return torch.mm(a:expand(5, 7), b) end, nil, torch.randn(5, 1),
      torch.randn(7, 3))
    same('linear', function(x, w, b)
      return torch.linear(x:expand(4, 2, 7), w, b:expand(3))
    end, nil, torch.randn(4, 1, 7), torch.randn(3, 7), torch.randn(1))
  end)

  it('of several tiles', function()
    for _, dtype in ipairs { 'float32', 'float64', 'float16', 'int64' } do
      same(dtype, torch.mm, nil, values(dtype, 130, 37), values(dtype, 37, 67))
    end
    same('bmm', torch.bmm, nil, torch.randn(3, 70, 20), torch.randn(3, 20, 66))
    same('dot', torch.dot, 1e-4, torch.randn(20001), torch.randn(20001))
    same('dot of integers', torch.dot, nil, values('int64', 5000), values('int64', 5000))
  end)

  it('of integers wrap around', function()
    local a = torch.LongTensor { { 2 ^ 40, 3 }, { -5, 2 ^ 35 } }
    same('int64', torch.mm, nil, a, a)
    same('int8', torch.mm, nil, values('int8', 4, 50), values('int8', 50, 3))
    same('a fraction', function(m, x) return torch.addmm(0.5, m, 1.5, x, x) end, nil,
      values('int32', 4, 4), values('int32', 4, 4))
  end)

  it('of a factor 0 do not read what is added', function()
    local nan = torch.Tensor(5, 3):fill(0 / 0)
    same('addmm', function(m, a, b) return torch.addmm(0, m, 1, a, b) end, nil, nan,
      torch.randn(5, 7), torch.randn(7, 3))
    same('addmm of nothing', function(m, a, b) return torch.addmm(0, m, 1, a, b) end, nil, nan,
      torch.randn(5, 0), torch.randn(0, 3))
    same('NaN otherwise', torch.addmm, nil, nan, torch.randn(5, 7), torch.randn(7, 3))
    local a = torch.randn(5, 7)
    a[2][3], a[4][1] = 0 / 0, math.huge
    same('NaN in an operand', torch.mm, nil, a, torch.randn(7, 3))
  end)

  it('add numbers', function()
    same('addmm', function(a, b) return torch.addmm(torch.tensor(3):float(), a, b) end, nil,
      torch.randn(5, 7), torch.randn(7, 3))
  end)

  it('go where they are told', function()
    local a, b = torch.randn(5, 7), torch.randn(7, 3)
    same('in place', function(m, x, y)
      m = m:clone()
      m:addmm(2, m, 0.5, x, y)
      return m
    end, nil, torch.randn(5, 3), a, b)
    for name, part in pairs {
      ['rows apart'] = function(m) return m end,
      ['columns apart'] = function(m) return m:t() end,
      ['every second'] = function(m) return m:view(6, 5, 2):select(3, 1) end,
    } do
      same(name, function(m, x, y)
        m = m:clone()
        part(m):narrow(1, 2, 5):narrow(2, 3, 3):addmm(x, y)
        return m
      end, nil, torch.randn(6, 10), a, b)
    end
    same('a result', function(r, x, y)
      torch.mm(r, x, y)
      return r
    end, nil, torch.randn(2), a, b)
  end)

  it('have gradients', function()
    for _, list in ipairs { CASES, FLOAT_CASES } do
      for _, case in ipairs(list) do
        for _, dtype in ipairs { 'float32', 'float64' } do
          beside.gradients(dtype .. ' ' .. case[1], case[2], { watch = WATCH, twice = true,
            tolerance = dtype == 'float32' and 1e-4 or 1e-11 },
            tensors_of(case, dtype, beside.WAYS[1][2]))
        end
      end
    end
    local linear = FLOAT_CASES[1]
    for _, dtype in ipairs { 'float16', 'bfloat16' } do
      beside.gradients(dtype .. ' linear', linear[2], { watch = WATCH, tolerance = 2e-2 },
        tensors_of(linear, dtype, beside.WAYS[1][2]))
    end
  end)

  it('add to the gradients that leaves have', function()
    local function run(device)
      torch.manualSeed(3)
      local leaves = {}
      for i, sizes in ipairs { { 4, 6 }, { 3, 6 }, { 3 } } do
        leaves[i] = torch.randn(torch.LongStorage(sizes)):to(device)
        leaves[i].requires_grad = true
      end
      local x, w, b = leaves[1], leaves[2], leaves[3]
      for _ = 1, 3 do
        torch.sum(torch.pow(torch.linear(x, w, b), 2)):backward()
        torch.sum(torch.pow(torch.mm(w, x:t()), 2)):backward()
      end
      return leaves
    end
    local here, there = run('cpu'), run('cuda')
    for i = 1, 3 do beside.near(there[i].grad, here[i].grad, 'gradient ' .. i) end
  end)
end)

if not OWN then
  describe('TF32', function()
    it('is off, and can be switched', function()
      assert.is_false(torch.cuda.allow_tf32())
      assert.is_false(torch.cuda.allow_tf32(true))
      same('mm', torch.mm, 2e-3, torch.randn(5, 7), torch.randn(7, 3))
      assert.is_true(torch.cuda.allow_tf32(false))
      assert.has_error(function() torch.cuda.allow_tf32('yes') end)
    end)
  end)

  it('without cuBLASLt the results are the same', function()
    local text, status = program.shell(('MOONLET_CUDA_PRODUCTS=own %s %s %s')
      :format(program.path, 'spec/support/busted.lua', 'spec/cuda/products_spec.lua'))
    assert.are.equal(0, status, text)
  end)
end
