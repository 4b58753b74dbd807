--- Several simple recurrent layers, h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu (Elman 1990),
-- with PyTorch's parameters: nn.StackedRNN(inputSize, hiddenSize [, options]). The options, and the
-- inputs it takes, stand in nn/recurrent/stacked.lua.
local torch = require 'torch'
require 'nn.Module'
local stacked = require 'nn.recurrent.stacked'

stacked.class('RNN', torch.class('nn.StackedRNN', 'nn.Module'))
