--- {images, locations} -> glimpses: squares around a location, each `scale` times as wide as the
-- one before and shrunk to the size of the first. Mnih et al. 2014, arXiv:1406.6247.
local torch = require 'torch'
local images = require 'nn.layers.images'
require 'nn.Module'

local SpatialGlimpse = torch.class('nn.SpatialGlimpse', 'nn.Module')

--- size: of a glimpse, a number or {height, width}. depth: how many squares, 3 by default. scale: 2
-- by default.
function SpatialGlimpse:__init(size, depth, scale)
  if type(size) == 'table' then
    self.height, self.width = size[1], size[2]
  else
    self.height, self.width = size, size
  end
  self.depth, self.scale = depth or 3, scale or 2
  if self.scale ~= math.floor(self.scale) or self.scale < 1 then
    error(('nn.SpatialGlimpse: a whole scale from 1 expected, got %s'):format(
      tostring(scale)), 3)
  end
end

-- From -1 (the first pixel in the middle) to 1 (the last one): how far a window goes from there.
local function offset(place, size)
  place = math.max(-1, math.min(1, place))
  return math.floor((place + 1) / 2 * (size - 1) + 0.5)
end

-- image: (1, channel, height, width)
local function glimpse(self, image, y, x, depth)
  local factor = self.scale ^ (depth - 1)
  local height, width = self.height * factor, self.width * factor
  -- With so many zeros around it, a window may have any pixel in its middle.
  local top, left = math.floor(height / 2), math.floor(width / 2)
  local padded = torch.pad(image, {left, width - left, top, height - top})
  local part = torch.narrow(padded, 3, offset(y, image:size(3)) + 1, height)
  part = torch.narrow(part, 4, offset(x, image:size(4)) + 1, width)
  if factor == 1 then return part end
  return torch.avg_pool2d(part, {factor, factor})
end

--- input: {images (batch, channel, height, width), locations (batch, 2)} or both without a batch. A
-- location is {y, x}, each from -1 to 1; it has no gradient. Gives (batch, depth * channel, size,
-- size).
function SpatialGlimpse:updateOutput(input)
  if type(input) ~= 'table' or not torch.isTensor(input[2]) then
    error('a table {images, locations} expected', 0)
  end
  local batch, single = images.batch(input[1])
  local places = input[2]:detach()
  if places:dim() == 1 then places = places:view(1, places:size(1)) end
  if places:size(1) ~= batch:size(1) or places:size(2) ~= 2 then
    error(('locations of size %dx2 expected, got %s'):format(batch:size(1),
      table.concat(places:size():totable(), 'x')), 0)
  end
  local rows = {}
  for i = 1, batch:size(1) do
    local parts, image = {}, torch.narrow(batch, 1, i, 1)
    for depth = 1, self.depth do
      parts[depth] = glimpse(self, image, places[i][1], places[i][2], depth)
    end
    rows[i] = torch.cat(parts, 2)
  end
  return images.like(torch.cat(rows, 1), single)
end
