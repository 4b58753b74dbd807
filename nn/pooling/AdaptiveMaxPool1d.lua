--- The greatest values of parts that cover sequences (batch, channel, time) evenly, whatever their
-- size.
--
-- output_size: how many parts there are, a number; 0 for as many as the input has. return_indices
-- = false: true for an output {values, where they were}.
local torch = require 'torch'
require 'nn.Module'

local AdaptiveMaxPool1d = torch.class('nn.AdaptiveMaxPool1d', 'nn.Module')
require 'nn.pooling.pool'.adaptive(AdaptiveMaxPool1d, 1, 'max')
