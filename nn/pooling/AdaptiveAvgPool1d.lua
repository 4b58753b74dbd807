--- The means of parts that cover sequences (batch, channel, time) evenly, whatever their size.
--
-- output_size: how many parts there are, a number; 0 for as many as the input has.
local torch = require 'torch'
require 'nn.Module'

local AdaptiveAvgPool1d = torch.class('nn.AdaptiveAvgPool1d', 'nn.Module')
require 'nn.pooling.pool'.adaptive(AdaptiveAvgPool1d, 1, 'avg')
