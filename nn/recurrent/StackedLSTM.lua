--- Several layers of long short-term memory (Hochreiter and Schmidhuber 1997), with PyTorch's
-- parameters: nn.StackedLSTM(inputSize, hiddenSize [, options]). The options, and the inputs it
-- takes, stand in nn/recurrent/stacked.lua.
local torch = require 'torch'
require 'nn.Module'
local stacked = require 'nn.recurrent.stacked'

stacked.class('LSTM', torch.class('nn.StackedLSTM', 'nn.Module'))
