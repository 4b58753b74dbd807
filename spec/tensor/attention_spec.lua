-- scaled_dot_product_attention over several blocks, beside the formula: values, first and second
-- gradients.
local masks = require 'spec.support.attention_masks'
local tensors = require 'spec.support.tensors'

local attention = torch.scaled_dot_product_attention

local function formula(q, k, v, mask, causal, scale)
  local heads, groups = q:size(2), k:size(2)
  if groups ~= heads then
    k = torch.repeat_interleave(k, heads / groups, 2)
    v = torch.repeat_interleave(v, heads / groups, 2)
  end
  local scores = torch.matmul(q, k:transpose(3, 4)) * (scale or 1 / math.sqrt(q:size(4)))
  if causal then
    scores = torch.where(torch.ones(q:size(3), k:size(3)):tril():byte(), scores, -math.huge)
  end
  if mask and mask.dtype:find 'float' then
    scores = scores + mask
  elseif mask then
    scores = torch.where(mask, scores, -math.huge)
  end
  return torch.matmul(torch.softmax(scores), v)
end

local TOLERANCE = {float64 = 1e-12, float32 = 2e-5}

-- sizes: batch, heads, groups, length, keys, dim, width.
local function check(dtype, sizes, given)
  torch.manualSeed(3)
  given = given or {}
  local batch, heads, groups, length, keys, dim, width = (table.unpack or unpack)(sizes)
  local function leaf(h, n, d)
    local x = given.strided and torch.randn(batch, n, h, d) or torch.randn(batch, h, n, d)
    return x:to(dtype):requiresGrad()
  end
  local leaves = {leaf(heads, length, dim), leaf(groups, keys, dim), leaf(groups, keys, width)}
  local mask = given.mask and given.mask(batch, heads, length, keys)
  if mask and mask.dtype:find 'float' then
    mask = mask:to(dtype):requiresGrad()
    leaves[4] = mask
  end
  local function result(f)
    local list = {}
    for i = 1, 3 do list[i] = given.strided and leaves[i]:transpose(2, 3) or leaves[i] end
    return f(list[1], list[2], list[3], mask, given.causal or false, given.scale)
  end
  local y, wanted = result(attention), result(formula)
  tensors.assert_same(wanted:detach(), y:detach(), TOLERANCE[dtype], 'result')
  local dy = torch.randn(y:size()):to(dtype)
  local expected = torch.grad(wanted, leaves, {dy})
  local fused = torch.grad(y, leaves, {dy})
  local composed = torch.grad(result(attention), leaves, {dy}, {create_graph = true})
  for i = 1, #leaves do
    tensors.assert_same(expected[i], fused[i], TOLERANCE[dtype], 'gradient ' .. i)
    tensors.assert_same(expected[i], composed[i]:detach(), TOLERANCE[dtype], 'composed ' .. i)
  end
end

for _, dtype in ipairs {'float64', 'float32'} do
  describe('attention in ' .. dtype, function()
    it('goes over many blocks', function()
      check(dtype, {2, 3, 3, 130, 200, 16, 24})
      check(dtype, {1, 1, 1, 200, 300, 64, 64}, {strided = true, scale = 0.2})
    end)

    it('is causal', function()
      check(dtype, {2, 4, 2, 100, 300, 8, 8}, {causal = true})
      check(dtype, {1, 2, 1, 300, 150, 33, 7}, {causal = true})
      check(dtype, {2, 4, 1, 65, 65, 32, 32}, {causal = true, strided = true})
    end)

    it('looks from one query', function()
      check(dtype, {2, 8, 2, 1, 500, 64, 64})
    end)

    it('heeds masks', function()
      for _, mask in ipairs {masks.numbers, masks.truths, masks.padding} do
        check(dtype, {2, 2, 2, 70, 129, 16, 16}, {mask = mask})
        check(dtype, {2, 2, 1, 70, 129, 5, 3}, {mask = mask, strided = true, causal = true})
      end
    end)
  end)
end

describe('attention with dropout', function()
  local q, k, v = torch.randn(1, 2, 70, 8):double():requiresGrad(),
    torch.randn(1, 2, 200, 8):double():requiresGrad(),
    torch.randn(1, 2, 200, 3):double():requiresGrad()

  it('drops the same in both gradients', function()
    local results, gradients = {}, {}
    for i = 1, 2 do
      torch.manualSeed(5)
      results[i] = attention(q, k, v, nil, false, 0.5, 0.3)
      gradients[i] = torch.grad(results[i], {q, k, v}, {torch.ones(1, 2, 70, 3):double()},
        {create_graph = i == 2})
    end
    tensors.assert_same(results[1]:detach(), results[2]:detach(), 0)
    for i = 1, 3 do
      tensors.assert_same(gradients[1][i], gradients[2][i]:detach(), 1e-12, 'gradient ' .. i)
    end
  end)

  it('has the same mean', function()
    torch.manualSeed(1)
    local sum = torch.zeros(1, 2, 70, 3):double()
    torch.no_grad(function()
      for _ = 1, 200 do sum:add(attention(q, k, v, nil, false, 0.5, 0.3)) end
      assert.is_true((sum / 200 - attention(q, k, v, nil, false, 0.5)):abs():mean() < 0.02)
    end)
  end)

  it('goes on in the random numbers', function()
    torch.no_grad(function()
      local a, b = attention(q, k, v, nil, false, 0, 0.3), attention(q, k, v, nil, false, 0, 0.3)
      assert.is_true((a - b):abs():max() > 1e-3)
    end)
  end)
end)
