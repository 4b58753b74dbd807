--- The greatest values of parts that cover volumes (batch, channel, depth, height, width) evenly,
-- whatever their size.
--
-- output_size: how many parts there are, a number or a table {depth, height, width}; 0 for as many
-- as the input has. return_indices = false: true for an output {values, where they were}.
local torch = require 'torch'
require 'nn.Module'

local AdaptiveMaxPool3d = torch.class('nn.AdaptiveMaxPool3d', 'nn.Module')
require 'nn.pooling.pool'.adaptive(AdaptiveMaxPool3d, 3, 'max')
