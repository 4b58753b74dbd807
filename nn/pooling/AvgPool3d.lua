--- The mean of each window of volumes (batch, channel, depth, height, width), or of one without a
-- batch, with PyTorch's arguments.
--
-- kernel_size; stride = kernel_size; padding = 0: numbers, or tables {depth, height, width}.
-- ceil_mode = false: true where a last window that is only partly inside counts; count_include_pad
-- = true: whether padding counts; divisor_override: what to divide by.
local torch = require 'torch'
require 'nn.Module'

local AvgPool3d = torch.class('nn.AvgPool3d', 'nn.Module')
require 'nn.pooling.pool'.mean(AvgPool3d, 3)
