--- Transposed convolution of sequences (batch, channel, time), or of one without a batch, with
-- PyTorch's arguments; see ConvTranspose2d.
local torch = require 'torch'
require 'nn.Module'

local ConvTranspose1d = torch.class('nn.ConvTranspose1d', 'nn.Module')
require 'nn.convolutions.conv_transpose'.define(ConvTranspose1d, 1)
