--- The mean of each window of images (batch, channel, height, width), or of one without a batch,
-- with PyTorch's arguments.
--
-- kernel_size; stride = kernel_size; padding = 0: numbers, or tables {height, width}. ceil_mode =
-- false: true where a last window that is only partly inside counts; count_include_pad = true:
-- whether padding counts; divisor_override: what to divide by.
local torch = require 'torch'
require 'nn.Module'

local AvgPool2d = torch.class('nn.AvgPool2d', 'nn.Module')
require 'nn.pooling.pool'.mean(AvgPool2d, 2)
