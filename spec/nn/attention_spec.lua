-- Attention beyond what the cases and PyTorch's values say: generation, masks, errors.
local nn = require 'nn'
local tensors = require 'spec.support.tensors'

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, 'no error: ' .. pattern)
  assert.is_truthy(tostring(message):find(pattern, 1, true), message)
end

local function plain(module, input)
  return torch.no_grad(function() return module(input) end)
end

-- The input (batch, time, channel) in steps of these lengths, after `begin`.
local function in_steps(model, x, lengths, dress)
  local parts, first = {}, 1
  for i, length in ipairs(lengths) do
    local step = x:narrow(2, first, length)
    parts[i] = plain(model, dress and dress(step) or step)
    first = first + length
  end
  return torch.cat(parts, 2)
end

local function ones(n)
  local list = {}
  for i = 1, n do list[i] = 1 end
  return list
end

describe('generation', function()
  local kinds = {
    plain = {}, ['without bias'] = {bias = false}, ['of shared keys'] = {kv_heads = 2},
    rotary = {rotary = true}, ['rotary of shared keys'] = {rotary = {base = 100}, kv_heads = 1},
  }
  for name, given in pairs(kinds) do
    it('gives what the whole sequence gives: ' .. name, function()
      given.causal = true
      local m = nn.MultiHeadAttention(16, 4, given)
      local x = torch.randn(2, 12, 16)
      local whole = plain(m, x)
      m:cache()
      tensors.assert_same(whole, in_steps(m, x, ones(12)), 1e-5, 'one by one')
      m:cache()
      tensors.assert_same(whole, in_steps(m, x, {5, 1, 4, 2}), 1e-5, 'in pieces')
      m:cache(false)
      tensors.assert_same(whole, plain(m, x), 1e-6, 'without a memory')
    end)
  end

  it('goes through transformers', function()
    local layer = nn.TransformerEncoderLayer(16, 2, {feedforward = 8, causal = true, rotary = true,
      norm_first = true, norm = 'RMSNorm', activation = 'swiglu'})
    local model = nn.Sequential(nn.PositionalEncoding(16),
      nn.TransformerEncoder(layer, 2, nn.LayerNorm(16)))
    model:evaluate()
    local x = torch.randn(3, 70, 16)
    local whole = plain(model, x)
    for _ = 1, 2 do
      model:apply(function(m) if m.cache then m:cache() end end)
      tensors.assert_same(whole, in_steps(model, x, ones(70)), 1e-4)
    end
    model:apply(function(m) if m.cache then m:cache(false) end end)
    tensors.assert_same(whole, plain(model, x), 1e-6)
  end)

  it('calculates the keys of a memory once', function()
    local model = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, {feedforward = 8}), 2)
    model:evaluate()
    local x, memory = torch.randn(2, 6, 8), torch.randn(2, 5, 8)
    local whole = plain(model, {x, memory})
    local function dress(step) return {step, memory} end
    model:cache()
    tensors.assert_same(whole, in_steps(model, x, ones(6), dress), 1e-5)
    local other = torch.randn(2, 4, 8)
    local wanted = plain(model:clone(), {x, other})
    model:cache()
    tensors.assert_same(wanted, in_steps(model, x, ones(6), function(step)
      return {step, other}
    end), 1e-5)
    model:cache(false)
  end)

  it('takes masks over all that is remembered', function()
    local m = nn.MultiHeadAttention(8, 2, {causal = true})
    local x, keys = torch.randn(2, 4, 8), torch.ByteTensor {{1, 1, 1, 1}, {1, 0, 1, 1}}
    local whole = plain(m, {x, key_mask = keys})
    m:cache()
    local first = plain(m, {x:narrow(2, 1, 2), key_mask = keys:narrow(2, 1, 2)})
    local second = plain(m, {x:narrow(2, 3, 2), key_mask = keys})
    tensors.assert_same(whole, torch.cat(first, second, 2), 1e-5)
  end)

  it('does not remember what it should not', function()
    local m = nn.MultiHeadAttention(8, 2, {causal = true})
    m:cache()
    plain(m, torch.randn(2, 3, 8))
    fails('a batch of 2, the input one of 3: call cache() to begin anew', plain, m,
      torch.randn(3, 1, 8))
    local copy = m:clone()
    local x = torch.randn(3, 4, 8)
    m:cache(false)
    tensors.assert_same(plain(m, x), plain(copy, x), 1e-6)
    assert.is_nil(torch.serialize(m, 'ascii'):find('remember'))
  end)
end)

describe('attention', function()
  it('needs memory that grows with the length, not its square', function()
    local n = 4096 -- all scores would take 64 MiB
    local q = torch.randn(1, 1, n, 16):requiresGrad()
    collectgarbage()
    collectgarbage()
    local limit = torch.set_memory_limit(torch.memory().live + 16 * 2 ^ 20)
    local ok, message = pcall(function()
      torch.scaled_dot_product_attention(q, q, q):sum():backward()
    end)
    torch.set_memory_limit(limit)
    assert(ok, message)
    assert.is_true(q.grad:norm() > 0)
  end)

  it('adds masks of numbers, whose gradient it gives', function()
    local m = nn.MultiHeadAttention(4, 2)
    local mask = torch.randn(2, 3, 3):requiresGrad()
    m({torch.randn(2, 3, 4), mask = mask}):sum():backward()
    assert.is_true(mask.grad:norm() > 0)
    assert.is_true(mask.grad:sum(3):abs():max() < 1e-5)
  end)

  it('gives 0 where no key takes part', function()
    local q = torch.randn(1, 1, 2, 4):requiresGrad()
    local y = torch.scaled_dot_product_attention(q, q, q, torch.ByteTensor {{1, 0}, {0, 0}})
    assert.equal(0, torch.abs(y[1][1][2]:detach()):sum())
    y:sum():backward()
    assert.is_true(q.grad:eq(q.grad):all())
  end)

  it('drops out in training only', function()
    local m = nn.MultiHeadAttention(8, 2, {dropout = 0.5})
    local x = torch.randn(2, 5, 8)
    assert.is_true((plain(m, x) - plain(m, x)):abs():max() > 1e-3)
    m:evaluate()
    assert.equal(0, (plain(m, x) - plain(m, x)):abs():max())
  end)

  it('sees with rotary positions only how far apart things are', function()
    local rope = nn.RotaryEmbedding(8)
    local q, k = torch.randn(1, 8):double(), torch.randn(1, 8):double()
    local function product(i, j) return torch.dot(rope:rotate(q, i), rope:rotate(k, j)) end
    assert.is_true(math.abs(product(3, 1) - product(52, 50)) < 1e-9)
    assert.is_true(math.abs(product(3, 1) - product(3, 2)) > 1e-3)
  end)

  it('begins as PyTorch does', function()
    local m = nn.MultiHeadAttention(64, 4)
    local bound, weight = math.sqrt(6 / (4 * 64)), m.in_proj_weight:detach()
    assert.is_true(weight:max() <= bound and weight:max() > 0.95 * bound)
    assert.equal(0, m.in_proj_bias:detach():norm())
    assert.equal(0, m.out_proj.bias:detach():norm())
    assert.equal(4, #m:parameters())
  end)

  it('draws each layer of a stack for itself', function()
    local stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, {feedforward = 8}), 2)
    local a, b = stack:get(1).linear1.weight, stack:get(2).linear1.weight
    assert.is_true((a - b):detach():abs():max() > 0)
    assert.equal(24, #stack:parameters())
  end)

  it('says what it expects', function()
    local m = nn.MultiHeadAttention(12, 3)
    fails('10 channels cannot be parted into 3 heads', nn.MultiHeadAttention, 10, 3)
    fails('3 heads cannot share 2 heads of keys', nn.MultiHeadAttention, 12, 3, {kv_heads = 2})
    fails('no option head; there are bias, causal', nn.MultiHeadAttention, 12, 3, {head = 2})
    fails('nn.MultiHeadAttention: queries (batch, time, 12 channels) expected, got 3 dimensions, '
      .. 'the last of size 11', plain, m, torch.randn(2, 3, 11))
    fails('keys (batch, time, 12 channels) expected', plain, m,
      {torch.randn(2, 3, 12), torch.randn(2, 3, 11)})
    fails('a mask of size [4x4] cannot be broadcast to [2x3x3x3]', plain, m,
      {torch.randn(2, 3, 12), mask = torch.ones(4, 4)})
    fails('a key mask (batch, keys) expected', plain, m,
      {torch.randn(2, 3, 12), key_mask = torch.ones(4)})
    fails('a tensor or a table {q, k, v} expected, got number', plain, m, 3)
    fails('activation relu, gelu', nn.TransformerEncoderLayer, 4, 2, {activation = 'x'})
    fails('a layer nn.TransformerEncoderLayer expected, got nn.Linear', nn.TransformerEncoder,
      nn.Linear(2, 2), 3)
    fails('a table {x, memory} expected', plain, nn.TransformerDecoderLayer(4, 2),
      torch.randn(2, 3, 4))
    fails('an even number from 2 on expected, got 3', nn.RotaryEmbedding, 3)
  end)
end)
