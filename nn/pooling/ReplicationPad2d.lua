--- The outermost pixels of images repeated.
--
-- padding: a number, or {left, right, top, bottom}; negative numbers cut off.
local torch = require 'torch'
require 'nn.Module'

local ReplicationPad2d = torch.class('nn.ReplicationPad2d', 'nn.Module')
require 'nn.pooling.border'.define(ReplicationPad2d, 2, 'replicate')
