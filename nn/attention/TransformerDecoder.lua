--- Layers nn.TransformerDecoderLayer one after the other. {x, memory}, perhaps with masks as the
-- layer takes them, gives (batch, time, channel).
local torch = require 'torch'
local blocks = require 'nn.attention.blocks'
local cache = require 'nn.attention.cache'
require 'nn.Container'

local TransformerDecoder, Container = torch.class('nn.TransformerDecoder', 'nn.Container')

--- layer: the first one; the others are copies of it, with parameters drawn for themselves.
-- count: how many. norm: what comes behind them, such as nn.LayerNorm(embed) where layers
-- normalise first.
function TransformerDecoder:__init(layer, count, norm)
  Container.__init(self)
  blocks.stack(self, layer, 'nn.TransformerDecoderLayer', count, norm)
end

--- See nn.MultiHeadAttention.
TransformerDecoder.cache = cache.method

function TransformerDecoder:updateOutput(input)
  return blocks.run_stack(self, input, 2)
end
