--- Images with the mean of each channel taken away, divided by its standard deviation: both are
-- given.
local torch = require 'torch'
local images = require 'nn.layers.images'
local channelwise = require 'nn.layers.channelwise'
require 'nn.Module'

local SpatialFeatNormalization = torch.class('nn.SpatialFeatNormalization', 'nn.Module')

--- mean, std: a number for each channel; std 1 by default.
function SpatialFeatNormalization:__init(mean, std)
  self.mean = channelwise.tensor(mean):clone()
  self.std = channelwise.tensor(std or 1, self.mean:nElement()):clone()
end

function SpatialFeatNormalization:updateOutput(input)
  local batch, single = images.batch(input, self.mean:nElement())
  local centred = batch - channelwise.expand(self.mean, batch)
  return images.like(torch.cdiv(centred, channelwise.expand(self.std, batch)), single)
end
