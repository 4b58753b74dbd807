--- In training adds normal noise to each element; in use does nothing.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local WhiteNoise = torch.class('nn.WhiteNoise', 'nn.Module')

function WhiteNoise:__init(mean, std)
  self.mean, self.std = mean or 0, std or 0.1
  self.train = true
end

function WhiteNoise:updateOutput(input)
  dims.check(input)
  if self.train == false then return input end
  return input + torch.empty_like(input:detach()):normal(self.mean, self.std)
end

function WhiteNoise:__tostring__()
  return ('%s mean: %f, std: %f'):format(torch.type(self), self.mean, self.std)
end
