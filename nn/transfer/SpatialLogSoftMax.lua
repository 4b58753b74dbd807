--- LogSoftMax along the classes at each place of an image: (class, y, x) or (batch, class, y, x).
local torch = require 'torch'

torch.class('nn.SpatialLogSoftMax', 'nn.LogSoftMax')
