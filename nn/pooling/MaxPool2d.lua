--- The greatest value under each window of images (batch, channel, height, width), or of one
-- without a batch, with PyTorch's arguments.
--
-- kernel_size; stride = kernel_size; padding = 0; dilation = 1: numbers, or tables {height,
-- width}. return_indices = false: true for an output {values, where they were}. ceil_mode = false:
-- true where a last window that is only partly inside counts.
local torch = require 'torch'
require 'nn.Module'

local MaxPool2d = torch.class('nn.MaxPool2d', 'nn.Module')
require 'nn.pooling.pool'.greatest(MaxPool2d, 2)
