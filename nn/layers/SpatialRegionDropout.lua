--- In training zeros a part of each image at one of its four sides, p of its height or width; in
-- use scales by 1 - p.
local torch = require 'torch'
local images = require 'nn.layers.images'
require 'nn.Module'

local SpatialRegionDropout = torch.class('nn.SpatialRegionDropout', 'nn.Module')

--- p: 0.2 by default.
function SpatialRegionDropout:__init(p)
  self.p = p or 0.2
  if type(self.p) ~= 'number' or not (self.p >= 0 and self.p < 1) then
    error(('nn.SpatialRegionDropout: a part from 0 to below 1 expected, got %s'):format(
      tostring(p)), 3)
  end
  self.train = true
end

function SpatialRegionDropout:updateOutput(input)
  if self.train == false then return input * (1 - self.p) end
  local batch, single = images.batch(input)
  local mask = torch.ones_like(batch:detach())
  for i = 1, batch:size(1) do
    local side = torch.random(1, 4)
    local dim = side <= 2 and 2 or 3 -- of one image: height, width
    local size = batch:size(dim + 1)
    local count = math.floor(size * self.p)
    if count > 0 then
      mask[i]:narrow(dim, side % 2 == 1 and 1 or size - count + 1, count):zero()
    end
  end
  self.noise = mask
  return images.like(torch.cmul(batch, mask), single)
end

function SpatialRegionDropout:__tostring__()
  return ('%s(%f)'):format(torch.type(self), self.p)
end
