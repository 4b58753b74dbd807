--- Transposed convolution of volumes (batch, channel, depth, height, width), or of one without a
-- batch, with PyTorch's arguments; see ConvTranspose2d.
local torch = require 'torch'
require 'nn.Module'

local ConvTranspose3d = torch.class('nn.ConvTranspose3d', 'nn.Module')
require 'nn.convolutions.conv_transpose'.define(ConvTranspose3d, 3)
