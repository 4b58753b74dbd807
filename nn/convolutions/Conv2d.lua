--- Convolution of images (batch, channel, height, width), or of one without a batch, with PyTorch's
-- arguments: nn.Conv2d(3, 16, 5, {stride = 2, padding = 2}).
--
-- in_channels, out_channels, kernel_size; stride = 1; padding = 0, 'same' or 'valid'; dilation =
-- 1; groups = 1: parts of the channels that do not mix, as many as channels for a depthwise
-- convolution; bias = true; padding_mode = 'zeros', 'reflect', 'replicate' or 'circular'. By
-- position, or by name in a table that comes last. A table of numbers stands for {height, width}.
local torch = require 'torch'
require 'nn.Module'

local Conv2d = torch.class('nn.Conv2d', 'nn.Module')
require 'nn.convolutions.conv'.define(Conv2d, 2)
