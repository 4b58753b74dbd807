-- Attention, transformers, and encodings of positions.
local nn = require 'nn'

local function randn(...)
  local sizes = torch.LongStorage{...}
  return function() return torch.randn(sizes) end
end

local function all(...)
  local makers = {...}
  return function()
    local input = {}
    for i, make in ipairs(makers) do input[i] = make() end
    return input
  end
end

-- With masks among the parts of the input.
local function masked(make, masks)
  return function()
    local input = make()
    for name, values in pairs(masks) do input[name] = torch.ByteTensor(values) end
    return input
  end
end

local function attention(...)
  local arguments = {...}
  return function() return nn.MultiHeadAttention((table.unpack or unpack)(arguments)) end
end

local function layer(class, given)
  given.dropout = given.dropout or 0
  given.feedforward = 6
  return function() return nn[class](4, 2, given) end
end

return {
  ['MultiHeadAttention'] = {attention(4, 2), randn(2, 3, 4), single = randn(3, 4), batched = true},
  ['MultiHeadAttention, causal'] = {attention(4, 2, {causal = true, bias = false}), randn(2, 3, 4),
    batched = true},
  ['MultiHeadAttention, of shared keys'] = {attention(8, 4, {kv_heads = 2}), randn(1, 3, 8)},
  ['MultiHeadAttention, rotary'] = {attention(8, 2, {kv_heads = 1, rotary = true, causal = true}),
    randn(1, 3, 8)},
  ['MultiHeadAttention, of three'] = {attention(4, 2),
    all(randn(2, 2, 4), randn(2, 3, 4), randn(2, 3, 4)),
    single = all(randn(2, 4), randn(3, 4), randn(3, 4)), batched = true},
  ['MultiHeadAttention, of two'] = {attention(4, 1, {kdim = 3, vdim = 3}),
    all(randn(2, 2, 4), randn(2, 3, 3))},
  ['MultiHeadAttention, masked'] = {attention(4, 2), masked(all(randn(2, 2, 4), randn(2, 3, 4)),
    {mask = {{1, 0, 1}, {1, 1, 0}}, key_mask = {{1, 1, 1}, {1, 0, 1}}})},
  ['MultiHeadAttention, with dropout'] = {attention(4, 2, {dropout = 0.4}), randn(1, 3, 4),
    random = true},
  ['RotaryEmbedding'] = {function() return nn.RotaryEmbedding(4) end, randn(2, 3, 4),
    batched = true, single = randn(3, 4)},
  ['RotaryEmbedding, interleaved'] = {
    function() return nn.RotaryEmbedding(2, {interleaved = true, base = 10, scale = 0.5}) end,
    randn(2, 2, 3, 5)},
  ['PositionalEncoding'] = {function() return nn.PositionalEncoding(5) end, randn(2, 3, 5),
    batched = true, single = randn(3, 5)},
  ['PositionalEncoding, with dropout'] = {function() return nn.PositionalEncoding(4, 0.3) end,
    randn(3, 4), random = true},
  ['TransformerEncoderLayer'] = {layer('TransformerEncoderLayer', {activation = 'gelu'}),
    randn(2, 3, 4), single = randn(3, 4), batched = true},
  ['TransformerEncoderLayer, of a language model'] = {layer('TransformerEncoderLayer',
    {norm_first = true, norm = 'RMSNorm', activation = 'swiglu', causal = true, rotary = true,
      bias = false}), randn(1, 3, 4)},
  ['TransformerEncoderLayer, masked'] = {layer('TransformerEncoderLayer', {activation = 'tanh'}),
    masked(all(randn(2, 3, 4)), {key_mask = {{1, 1, 1}, {1, 0, 1}}})},
  ['TransformerEncoderLayer, with dropout'] = {
    layer('TransformerEncoderLayer', {activation = 'geglu', dropout = 0.3}), randn(1, 2, 4),
    random = true},
  ['TransformerDecoderLayer'] = {layer('TransformerDecoderLayer', {activation = 'silu'}),
    all(randn(1, 2, 4), randn(1, 3, 4)), batched = true},
  ['TransformerEncoder'] = {function()
    return nn.TransformerEncoder(layer('TransformerEncoderLayer',
      {norm_first = true, activation = 'gelu'})(), 2, nn.LayerNorm(4))
  end, randn(1, 3, 4)},
  ['TransformerDecoder'] = {function()
    return nn.TransformerDecoder(layer('TransformerDecoderLayer', {activation = 'gelu'})(), 2)
  end, masked(all(randn(1, 2, 4), randn(1, 3, 4)), {memory_key_mask = {{1, 0, 1}}})},
}
