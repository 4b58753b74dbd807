--- The means of parts that cover images (batch, channel, height, width) evenly, whatever their
-- size.
--
-- output_size: how many parts there are, a number or a table {height, width}; 0 for as many as the
-- input has.
local torch = require 'torch'
require 'nn.Module'

local AdaptiveAvgPool2d = torch.class('nn.AdaptiveAvgPool2d', 'nn.Module')
require 'nn.pooling.pool'.adaptive(AdaptiveAvgPool2d, 2, 'avg')
