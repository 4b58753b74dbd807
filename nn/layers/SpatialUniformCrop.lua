--- In training a part of each image, from anywhere; in use the part in the middle.
local torch = require 'torch'
local images = require 'nn.layers.images'
require 'nn.Module'

local SpatialUniformCrop = torch.class('nn.SpatialUniformCrop', 'nn.Module')

--- oheight, owidth: the size of the part; owidth as oheight by default. scale: {min, max}: in
-- training each image is resized by a factor between them first; a number for a fixed one, which
-- counts in use, too.
function SpatialUniformCrop:__init(oheight, owidth, scale)
  self.oheight, self.owidth = oheight, owidth or oheight
  self.scale = scale
  self.train = true
end

local function resized(image, factor)
  if factor == 1 then return image end
  local function scaled(size) return math.max(1, math.floor(size * factor + 0.5)) end
  return torch.interpolate(image, {scaled(image:size(3)), scaled(image:size(4))}, 0, 'bilinear')
end

function SpatialUniformCrop:factor()
  if type(self.scale) == 'number' then return self.scale end
  if type(self.scale) ~= 'table' or self.train == false then return 1 end
  return torch.uniform(self.scale[1], self.scale[2])
end

-- One image (1, channel, height, width).
local function crop(self, image)
  image = resized(image, self:factor())
  local rows, columns = image:size(3) - self.oheight, image:size(4) - self.owidth
  if rows < 0 or columns < 0 then
    error(('an image of %dx%d is smaller than the part, %dx%d'):format(image:size(3),
      image:size(4), self.oheight, self.owidth), 0)
  end
  local top, left = math.floor(rows / 2), math.floor(columns / 2)
  if self.train ~= false then top, left = torch.random(0, rows), torch.random(0, columns) end
  return torch.narrow(torch.narrow(image, 3, top + 1, self.oheight), 4, left + 1, self.owidth)
end

function SpatialUniformCrop:updateOutput(input)
  local batch, single = images.batch(input)
  local parts = {}
  for i = 1, batch:size(1) do parts[i] = crop(self, torch.narrow(batch, 1, i, 1)) end
  return images.like(torch.cat(parts, 1), single)
end

function SpatialUniformCrop:__tostring__()
  return ('%s(%dx%d)'):format(torch.type(self), self.oheight, self.owidth)
end
