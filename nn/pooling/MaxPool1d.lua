--- The greatest value under each window of sequences (batch, channel, time), or of one without a
-- batch, with PyTorch's arguments.
--
-- kernel_size; stride = kernel_size; padding = 0; dilation = 1: numbers. return_indices = false:
-- true for an output {values, where they were}. ceil_mode = false: true where a last window that
-- is only partly inside counts.
local torch = require 'torch'
require 'nn.Module'

local MaxPool1d = torch.class('nn.MaxPool1d', 'nn.Module')
require 'nn.pooling.pool'.greatest(MaxPool1d, 1)
