--- MobileNetV2, for phones: blocks that widen, look at each channel for itself, and narrow again.
-- Sandler et al. 2018, arXiv:1801.04381.
--
--   nn.MobileNetV2()                                       -- 3,504,872 parameters
--   nn.MobileNetV2{classes = 10, width = 0.5, small_images = true}
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'
local initial = require 'nn.models.initial'
local blocks = require 'nn.models.blocks'

local MobileNetV2, Sequential = torch.class('nn.MobileNetV2', 'nn.Sequential')

local KNOWN = {classes = options.size(1000), channels = options.size(3),
  width = options.factor(1), dropout = options.share(0.2), small_images = false}

-- Table 2 of the paper: how much wider, channels, blocks, step of the first block.
local STAGES = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1},
  {6, 160, 3, 2}, {6, 320, 1, 1}}

-- A multiple of 8, which suits vector units, and not more than a tenth below what was wanted.
local function rounded(channels)
  local whole = math.max(8, math.floor((channels + 4) / 8) * 8)
  return whole < 0.9 * channels and whole + 8 or whole
end

local function block(from, to, factor, stride)
  local main, wide = nn.Sequential(), from * factor
  if factor ~= 1 then
    blocks.convolution(main, from, wide, {kernel = 1, activation = nn.ReLU6(true)})
  end
  blocks.convolution(main, wide, wide,
    {stride = stride, groups = wide, activation = nn.ReLU6(true)})
  -- No rectifier where there are few channels: it would lose too much.
  blocks.convolution(main, wide, to, {kernel = 1, activation = false})
  if stride == 1 and from == to then return blocks.residual(main) end
  return main
end

--- classes = 1000; channels = 3; dropout = 0.2, before the last layer.
-- width = 1: factor of all numbers of channels, such as 0.5.
-- small_images = false: for images of 32 x 32 or so, leave out the first two steps of 2.
function MobileNetV2:__init(given)
  Sequential.__init(self)
  local o = options.read('MobileNetV2', given, KNOWN)
  local from = rounded(32 * o.width)
  blocks.convolution(self, o.channels, from,
    {stride = o.small_images and 1 or 2, activation = nn.ReLU6(true)})
  for i, stage in ipairs(STAGES) do
    local factor, channels, count, stride = stage[1], stage[2], stage[3], stage[4]
    if o.small_images and i == 2 then stride = 1 end
    for k = 1, count do
      local to = rounded(channels * o.width)
      self:add(block(from, to, factor, k == 1 and stride or 1))
      from = to
    end
  end
  -- A narrow network keeps its last layer wide, as the classes are many.
  local last = rounded(1280 * math.max(1, o.width))
  blocks.convolution(self, from, last, {kernel = 1, activation = nn.ReLU6(true)})
  blocks.pool_all(self):add(nn.Dropout(o.dropout)):add(nn.Linear(last, o.classes))
  self:draw()
end

function MobileNetV2:draw()
  initial.he(self)
  initial.linear(self, 0.01)
end

function MobileNetV2:reset(stdv)
  Sequential.reset(self, stdv)
  if not stdv then self:draw() end
end
