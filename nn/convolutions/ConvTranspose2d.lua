--- Transposed convolution of images (batch, channel, height, width), or of one without a batch,
-- with PyTorch's arguments: nn.ConvTranspose2d(32, 16, 4, {stride = 2, padding = 1}) doubles an
-- image.
--
-- in_channels, out_channels, kernel_size; stride = 1; padding = 0: what is cut off at each side;
-- output_padding = 0: what is added at the far side; groups = 1; bias = true; dilation = 1. By
-- position, or by name in a table that comes last. A table of numbers stands for {height, width}.
local torch = require 'torch'
require 'nn.Module'

local ConvTranspose2d = torch.class('nn.ConvTranspose2d', 'nn.Module')
require 'nn.convolutions.conv_transpose'.define(ConvTranspose2d, 2)
