--- Attention of a sequence to itself, then to another one, the memory, and a small network
-- (Vaswani et al. 2017). {x, memory}, both (batch, time, channel), gives (batch, time, channel)
-- of x. The table may also have mask and key_mask for x, memory_mask and memory_key_mask for the
-- memory, as nn.MultiHeadAttention takes them.
local torch = require 'torch'
local run = require 'nn.run'
local blocks = require 'nn.attention.blocks'
local cache = require 'nn.attention.cache'
require 'nn.Module'

local Layer = torch.class('nn.TransformerDecoderLayer', 'nn.Module')

--- As nn.TransformerEncoderLayer, but causal unless that is false.
function Layer:__init(embed, heads, given)
  blocks.init(self, embed, heads, given, {'self_attn', 'multihead_attn'}, {causal = true})
end

--- See nn.MultiHeadAttention.
Layer.cache = cache.method

function Layer:updateOutput(input)
  local x, given = blocks.read(input, 2)
  x = blocks.around(self, self.norm1, x, function(y)
    return run.call(self.self_attn, {y, mask = given.mask, key_mask = given.key_mask})
  end)
  x = blocks.around(self, self.norm2, x, function(y)
    return run.call(self.multihead_attn, {y, given[2], mask = given.memory_mask,
      key_mask = given.memory_key_mask})
  end)
  return blocks.around(self, self.norm3, x, function(y) return blocks.feed_forward(self, y) end)
end

function Layer:__tostring__()
  return ('%s(%d, %d heads, %s %d)'):format(torch.type(self), self.embed_dim,
    self.self_attn.num_heads, self.activation, self.linear2.weight:size(2))
end
