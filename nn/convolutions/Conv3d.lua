--- Convolution of volumes (batch, channel, depth, height, width), or of one without a batch, with
-- PyTorch's arguments. They are Conv2d's; a table of numbers stands for {depth, height, width}.
local torch = require 'torch'
require 'nn.Module'

local Conv3d = torch.class('nn.Conv3d', 'nn.Module')
require 'nn.convolutions.conv'.define(Conv3d, 3)
