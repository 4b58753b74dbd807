--- Another name of SiLU.
local torch = require 'torch'

torch.class('nn.Swish', 'nn.SiLU')
