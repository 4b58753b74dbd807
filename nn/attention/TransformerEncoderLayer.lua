--- Attention of a sequence to itself and a small network (Vaswani et al. 2017), each with a path
-- around it and a normalisation. (batch, time, channel), or {x, mask =, key_mask =} with masks
-- as nn.MultiHeadAttention takes them, gives (batch, time, channel). With `causal` it is the
-- layer of a language model.
local torch = require 'torch'
local run = require 'nn.run'
local blocks = require 'nn.attention.blocks'
local cache = require 'nn.attention.cache'
require 'nn.Module'

local Layer = torch.class('nn.TransformerEncoderLayer', 'nn.Module')

--- embed: channels. heads: of attention. given: feedforward, width of the small network (2048);
-- dropout (0.1); activation, relu (the default), gelu, silu, tanh, reglu, geglu or swiglu;
-- norm_first: normalises before, not behind; norm, 'LayerNorm' or 'RMSNorm', and its eps; bias
-- (true); causal, kv_heads, rotary: see nn.MultiHeadAttention.
function Layer:__init(embed, heads, given)
  blocks.init(self, embed, heads, given, {'self_attn'})
end

--- See nn.MultiHeadAttention.
Layer.cache = cache.method

function Layer:updateOutput(input)
  local x, given = blocks.read(input, 1)
  x = blocks.around(self, self.norm1, x, function(y)
    return run.call(self.self_attn, {y, mask = given.mask, key_mask = given.key_mask})
  end)
  return blocks.around(self, self.norm2, x, function(y) return blocks.feed_forward(self, y) end)
end

function Layer:__tostring__()
  return ('%s(%d, %d heads, %s %d)'):format(torch.type(self), self.embed_dim,
    self.self_attn.num_heads, self.activation, self.linear2.weight:size(2))
end
