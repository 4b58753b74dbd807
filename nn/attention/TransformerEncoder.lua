--- Layers nn.TransformerEncoderLayer one after the other. (batch, time, channel), or {x, mask =,
-- key_mask =}, gives (batch, time, channel).
local torch = require 'torch'
local blocks = require 'nn.attention.blocks'
local cache = require 'nn.attention.cache'
require 'nn.Container'

local TransformerEncoder, Container = torch.class('nn.TransformerEncoder', 'nn.Container')

--- layer: the first one; the others are copies of it, with parameters drawn for themselves.
-- count: how many. norm: what comes behind them, such as nn.LayerNorm(embed) where layers
-- normalise first.
function TransformerEncoder:__init(layer, count, norm)
  Container.__init(self)
  blocks.stack(self, layer, 'nn.TransformerEncoderLayer', count, norm)
end

--- See nn.MultiHeadAttention.
TransformerEncoder.cache = cache.method

function TransformerEncoder:updateOutput(input)
  return blocks.run_stack(self, input, 1)
end
