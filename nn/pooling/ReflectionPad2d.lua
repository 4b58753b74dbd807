--- Images mirrored at their borders, without repeating the outermost pixels.
--
-- padding: a number, or {left, right, top, bottom}; negative numbers cut off.
local torch = require 'torch'
require 'nn.Module'

local ReflectionPad2d = torch.class('nn.ReflectionPad2d', 'nn.Module')
require 'nn.pooling.border'.define(ReflectionPad2d, 2, 'reflect')
