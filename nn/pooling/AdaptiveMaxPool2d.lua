--- The greatest values of parts that cover images (batch, channel, height, width) evenly, whatever
-- their size.
--
-- output_size: how many parts there are, a number or a table {height, width}; 0 for as many as the
-- input has. return_indices = false: true for an output {values, where they were}.
local torch = require 'torch'
require 'nn.Module'

local AdaptiveMaxPool2d = torch.class('nn.AdaptiveMaxPool2d', 'nn.Module')
require 'nn.pooling.pool'.adaptive(AdaptiveMaxPool2d, 2, 'max')
