--- The means of parts that cover volumes (batch, channel, depth, height, width) evenly, whatever
-- their size.
--
-- output_size: how many parts there are, a number or a table {depth, height, width}; 0 for as many
-- as the input has.
local torch = require 'torch'
require 'nn.Module'

local AdaptiveAvgPool3d = torch.class('nn.AdaptiveAvgPool3d', 'nn.Module')
require 'nn.pooling.pool'.adaptive(AdaptiveAvgPool3d, 3, 'avg')
