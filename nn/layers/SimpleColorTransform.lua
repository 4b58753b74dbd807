--- In training adds a random number to each channel of each image.
local torch = require 'torch'
local images = require 'nn.layers.images'
local channelwise = require 'nn.layers.channelwise'
require 'nn.Module'

local SimpleColorTransform = torch.class('nn.SimpleColorTransform', 'nn.Module')

--- inputChannels: how many channels. range: the numbers are from -range to range; one for all
-- channels, or one for each.
function SimpleColorTransform:__init(inputChannels, range)
  self.inputChannels = inputChannels
  self.range = channelwise.tensor(range, inputChannels):clone()
  self.train = true
end

function SimpleColorTransform:updateOutput(input)
  if self.train == false then return input end
  local batch, single = images.batch(input, self.inputChannels)
  local noise = batch:detach().new(batch:size(1), self.inputChannels):uniform(-1, 1)
  self.noise = torch.cmul(noise, self.range:view(1, -1):expandAs(noise))
  return images.like(batch + channelwise.expand(self.noise, batch), single)
end
