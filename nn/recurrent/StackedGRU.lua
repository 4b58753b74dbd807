--- Several layers of gated recurrent units (Cho et al. 2014),
-- with PyTorch's parameters: nn.StackedGRU(inputSize, hiddenSize [, options]). The options, and the
-- inputs it takes, stand in nn/recurrent/stacked.lua.
local torch = require 'torch'
require 'nn.Module'
local stacked = require 'nn.recurrent.stacked'

stacked.class('GRU', torch.class('nn.StackedGRU', 'nn.Module'))
