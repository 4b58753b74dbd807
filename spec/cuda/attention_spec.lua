-- Attention on a GPU beside the CPU's: values, gradients, and gradients with a graph of their own.
local torch = require 'torch'
local masks = require 'spec.support.attention_masks'
local tensors = require 'spec.support.tensors'

if not torch.cuda.is_available() then return end

local attention = torch.scaled_dot_product_attention
local unpack = table.unpack or unpack

-- Of the largest value there is: in half precision the CPU rounds only once, at the end.
local TOLERANCE = {float64 = 1e-12, float32 = 2e-5, float16 = 4e-3, bfloat16 = 3e-2}

local function close(expected, got, dtype, what)
  assert.are.equal('cuda', got.device:sub(1, 4))
  assert.are.equal(expected.dtype, got.dtype)
  expected, got = expected:detach():double(), got:detach():cpu():double()
  if expected:nElement() == 0 then return end
  local largest = math.max(1, torch.abs(expected):max())
  tensors.assert_same(expected / largest, got / largest, TOLERANCE[dtype], what)
end

-- sizes: batch, heads, groups, length, keys, dim, width. given: mask (a function of sizes), causal,
-- scale, p, strided, twice.
local function check(dtype, sizes, given)
  given = given or {}
  local batch, heads, groups, length, keys, dim, width = unpack(sizes)
  torch.manualSeed(3)
  local function piece(h, n, d)
    local x = given.strided and torch.randn(batch, n, h, d) or torch.randn(batch, h, n, d)
    return x:to(dtype)
  end
  local values = {piece(heads, length, dim), piece(groups, keys, dim), piece(groups, keys, width)}
  local mask = given.mask and given.mask(batch, heads, length, keys)
  local added = mask and mask.dtype:find 'float'
  if added then mask = mask:to(dtype) end
  local dy = torch.randn(batch, heads, length, width):to(dtype)
  local function run(move, twice)
    local leaves = {}
    for i, x in ipairs(values) do leaves[i] = move(x):clone():requiresGrad() end
    local own = mask and move(mask)
    if added then
      own = own:clone():requiresGrad()
      leaves[4] = own
    end
    local list = {}
    for i = 1, 3 do list[i] = given.strided and leaves[i]:transpose(2, 3) or leaves[i] end
    torch.manualSeed(7)
    local y = attention(list[1], list[2], list[3], own, given.causal or false, given.scale,
      given.p or 0)
    return y, torch.grad(y, leaves, {move(dy)}, {create_graph = twice})
  end
  local before = torch.cuda.detours()
  local y, got = run(function(x) return x:cuda() end, false)
  local _, composed
  if given.twice then _, composed = run(function(x) return x:cuda() end, true) end
  local name = 'scaled_dot_product_attention'
  assert.are.equal(before[name], torch.cuda.detours()[name])
  local expected, wanted = run(function(x) return x end, false)
  close(expected, y, dtype, 'result')
  for i = 1, #wanted do
    close(wanted[i], got[i], dtype, 'gradient ' .. i)
    if composed then close(wanted[i], composed[i], dtype, 'composed gradient ' .. i) end
  end
end

for _, dtype in ipairs {'float64', 'float32'} do
  describe('attention on a GPU in ' .. dtype, function()
    it('goes over many tiles', function()
      check(dtype, {2, 3, 3, 70, 130, 16, 24})
      check(dtype, {1, 1, 1, 65, 100, 72, 80}, {strided = true, scale = 0.2})
    end)

    it('is causal', function()
      check(dtype, {2, 4, 2, 30, 100, 8, 8}, {causal = true, twice = true})
      check(dtype, {1, 2, 1, 150, 75, 33, 7}, {causal = true})
      check(dtype, {1, 2, 1, 65, 65, 32, 32}, {causal = true, strided = true})
    end)

    it('looks from one query', function()
      check(dtype, {2, 8, 2, 1, 100, 64, 64})
    end)

    it('heeds masks', function()
      for _, mask in ipairs {masks.numbers, masks.truths, masks.padding} do
        check(dtype, {2, 2, 2, 20, 70, 16, 16}, {mask = mask, twice = true})
        check(dtype, {2, 2, 1, 20, 70, 5, 3}, {mask = mask, strided = true, causal = true})
      end
    end)

    it('sums the gradient of a mask that was repeated', function()
      check(dtype, {2, 2, 2, 20, 70, 4, 4}, {mask = function(_, _, _, keys)
        return torch.randn(1, keys)
      end})
      check(dtype, {1, 1, 1, 3, 5, 4, 4}, {mask = function() return torch.randn(1) end})
    end)

    it('drops what the CPU drops', function()
      check(dtype, {2, 2, 1, 70, 67, 8, 5}, {p = 0.3, twice = true})
      check(dtype, {1, 2, 2, 10, 30, 8, 8}, {p = 0.5, causal = true})
    end)

    it('takes sizes of 0 and 1', function()
      check(dtype, {0, 2, 2, 3, 4, 8, 8})
      check(dtype, {2, 2, 2, 0, 4, 8, 8})
      check(dtype, {2, 2, 2, 3, 0, 8, 8})
      check(dtype, {2, 2, 2, 3, 4, 8, 0})
      check(dtype, {1, 1, 1, 1, 1, 1, 1})
    end)
  end)
end

describe('attention on a GPU', function()
  it('takes two or three dimensions, and repeated rows', function()
    local q, k, v = torch.randn(5, 8), torch.randn(9, 8), torch.randn(9, 4)
    close(attention(q, k, v), attention(q:cuda(), k:cuda(), v:cuda()), 'float32')
    q = torch.randn(3, 5, 8)
    k, v = k:expand(3, 9, 8), v:expand(3, 9, 4)
    close(attention(q, k, v), attention(q:cuda(), k:cuda(), v:cuda()), 'float32')
    local one = torch.randn(1, 1, 8)
    close(attention(q, one:expand(3, 9, 8), v),
      attention(q:cuda(), one:cuda():expand(3, 9, 8), v:cuda()), 'float32')
  end)

  it('gives 0 where no key takes part', function()
    local q, k, v = torch.randn(1, 2, 3, 8), torch.randn(1, 2, 9, 8), torch.randn(1, 2, 9, 8)
    local mask = torch.ones(3, 9):byte()
    mask[2]:fill(0)
    local y = attention(q:cuda(), k:cuda(), v:cuda(), mask:cuda())
    close(attention(q, k, v, mask), y, 'float32')
    assert.are.equal(0, y[{1, 1, 2}]:abs():max())
  end)

  it('passes on what is no number', function()
    local q, k, v = torch.randn(1, 1, 3, 8), torch.randn(1, 1, 9, 8), torch.randn(1, 1, 9, 8)
    q[{1, 1, 2, 3}] = 0 / 0
    local y = attention(q:cuda(), k:cuda(), v:cuda()):cpu()
    assert.is_true(y[{1, 1, 2, 1}] ~= y[{1, 1, 2, 1}])
    close(attention(q, k, v)[{1, 1, 3}], y[{1, 1, 3}]:cuda(), 'float32')
  end)

  it('leaves the generator where the CPU leaves it', function()
    local q = torch.randn(1, 2, 70, 8)
    torch.manualSeed(3)
    attention(q, q, q, nil, false, 0, 0.5)
    local expected = torch.rand(1)[1]
    torch.manualSeed(3)
    q = q:cuda()
    attention(q, q, q, nil, false, 0, 0.5)
    assert.are.equal(expected, torch.rand(1)[1])
  end)
end)

for _, dtype in ipairs {'float16', 'bfloat16'} do
  describe('attention on a GPU in ' .. dtype, function()
    it('takes any sizes', function()
      check(dtype, {1, 2, 1, 30, 70, 13, 7}, {causal = true})
      check(dtype, {1, 1, 1, 20, 30, 136, 8})
      check(dtype, {1, 1, 1, 1, 1, 8, 8})
      check(dtype, {1, 2, 2, 3, 0, 8, 8})
    end)

    it('goes over many tiles', function()
      check(dtype, {2, 1, 1, 130, 100, 32, 32})
      check(dtype, {1, 2, 1, 20, 150, 64, 64}, {strided = true, scale = 0.2})
      check(dtype, {1, 1, 1, 70, 66, 96, 96})
      check(dtype, {1, 1, 1, 40, 70, 128, 128}, {strided = true})
      check(dtype, {1, 2, 2, 20, 40, 40, 24})
    end)

    it('is causal', function()
      check(dtype, {1, 4, 2, 150, 140, 32, 32}, {causal = true})
      check(dtype, {1, 1, 1, 40, 100, 64, 64}, {causal = true})
      check(dtype, {1, 1, 1, 100, 40, 128, 128}, {causal = true})
    end)

    it('heeds masks', function()
      for _, mask in ipairs {masks.numbers, masks.truths, masks.padding} do
        check(dtype, {2, 2, 2, 20, 70, 16, 16}, {mask = mask})
        check(dtype, {2, 2, 1, 35, 70, 16, 8}, {mask = mask, strided = true, causal = true})
      end
    end)

    it('drops what the CPU drops', function()
      check(dtype, {2, 2, 1, 70, 67, 32, 32}, {p = 0.3})
      check(dtype, {1, 1, 1, 33, 140, 72, 72}, {p = 0.5, causal = true})
    end)

    it('gives 0 where no key takes part, and no more than that', function()
      local q = torch.randn(1, 1, 5, 16):to(dtype):cuda():requiresGrad()
      local mask = torch.ones(5, 5):byte()
      mask[3]:fill(0)
      local y = attention(q, q, q, mask:cuda())
      assert.are.equal(0, y:detach():cpu()[{1, 1, 3}]:float():abs():max())
      y:sum():backward()
      local d = q.grad:cpu():float()
      assert.is_true(d:eq(d):all())
    end)
  end)
end
