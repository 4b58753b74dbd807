--- Another name of GatedLinearUnit.
local torch = require 'torch'

torch.class('nn.GLU', 'nn.GatedLinearUnit')
