--- Convolution of sequences (batch, channel, time), or of one without a batch, with PyTorch's
-- arguments: nn.Conv1d(16, 32, 5, {padding = 'same'}).
--
-- in_channels, out_channels, kernel_size; stride = 1; padding = 0, 'same' or 'valid'; dilation =
-- 1; groups = 1: parts of the channels that do not mix; bias = true; padding_mode = 'zeros',
-- 'reflect', 'replicate' or 'circular'. By position, or by name in a table that comes last.
local torch = require 'torch'
require 'nn.Module'

local Conv1d = torch.class('nn.Conv1d', 'nn.Module')
require 'nn.convolutions.conv'.define(Conv1d, 1)
