--- In training adds random colours to images, along the directions in which colours differ most.
-- Krizhevsky et al. 2012.
local torch = require 'torch'
local images = require 'nn.layers.images'
local channelwise = require 'nn.layers.channelwise'
require 'nn.Module'

local PCAColorTransform = torch.class('nn.PCAColorTransform', 'nn.Module')

--- inputChannels: how many channels. eigenVectors: (channel, channel), in columns; eigenValues:
-- (channel): of the covariance of the colours. std: of the random factors, 0.1 by default.
function PCAColorTransform:__init(inputChannels, eigenVectors, eigenValues, std)
  self.inputChannels = inputChannels
  self.eigenVectors = eigenVectors:clone():view(inputChannels, inputChannels)
  self.eigenValues = channelwise.tensor(eigenValues, inputChannels):clone()
  self.std = std or 0.1
  self.train = true
end

function PCAColorTransform:updateOutput(input)
  if self.train == false then return input end
  local batch, single = images.batch(input, self.inputChannels)
  local factors = batch:detach().new(batch:size(1), self.inputChannels):normal(0, self.std)
  self.noise = torch.mm(torch.cmul(factors, self.eigenValues:view(1, -1):expandAs(factors)),
    self.eigenVectors:t())
  return images.like(batch + channelwise.expand(self.noise, batch), single)
end
