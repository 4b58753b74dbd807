--- Zeros around images (batch, channel, height, width), or one without a batch.
--
-- padding: a number, or {left, right, top, bottom}; negative numbers cut off.
local torch = require 'torch'
require 'nn.Module'

local ZeroPad2d = torch.class('nn.ZeroPad2d', 'nn.Module')
require 'nn.pooling.border'.define(ZeroPad2d, 2, 'constant')
