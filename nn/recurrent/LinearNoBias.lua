--- Fully connected layer without bias, y = x W'.
local torch = require 'torch'
require 'nn.layers.Linear'

local LinearNoBias, Linear = torch.class('nn.LinearNoBias', 'nn.Linear')

function LinearNoBias:__init(inputSize, outputSize)
  Linear.__init(self, inputSize, outputSize, false)
end
