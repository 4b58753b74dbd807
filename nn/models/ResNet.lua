--- Residual network: blocks that add what they find to what they were given, so that a hundred
-- layers still learn. He et al. 2016, arXiv:1512.03385.
--
--   nn.ResNet{depth = 50}                                  -- 25,557,032 parameters
--   nn.ResNet{depth = 18, classes = 10, small_images = true}  -- for images of 32 x 32
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'
local initial = require 'nn.models.initial'
local blocks = require 'nn.models.blocks'

local ResNet, Sequential = torch.class('nn.ResNet', 'nn.Sequential')

-- Blocks of each stage, and whether they are bottlenecks: table 1 of the paper.
local STAGES = {
  [18] = {2, 2, 2, 2}, [34] = {3, 4, 6, 3},
  [50] = {3, 4, 6, 3, bottleneck = true}, [101] = {3, 4, 23, 3, bottleneck = true},
  [152] = {3, 8, 36, 3, bottleneck = true},
}

local size = options.size
local KNOWN = {depth = options.choice(50, STAGES), classes = size(1000), channels = size(3),
  small_images = false, width = size(64)}

-- Two 3x3 convolutions; the first takes the step.
local function basic(from, to, stride)
  local main = nn.Sequential()
  blocks.convolution(main, from, to, {stride = stride})
  return blocks.convolution(main, to, to, {activation = false}), to
end

-- 1x1 to fewer channels, 3x3, 1x1 to four times as many. The step is the 3x3 convolution's, which
-- looks at all positions: better by half a percent than in the paper.
local function bottleneck(from, width, stride)
  local main = nn.Sequential()
  blocks.convolution(main, from, width, {kernel = 1})
  blocks.convolution(main, width, width, {stride = stride})
  return blocks.convolution(main, width, 4 * width, {kernel = 1, activation = false}), 4 * width
end

-- A shortcut has weights only where the shape changes.
local function block(make, from, width, stride)
  local main, to = make(from, width, stride)
  local shortcut
  if stride ~= 1 or from ~= to then
    shortcut = blocks.convolution(nn.Sequential(), from, to,
      {kernel = 1, stride = stride, activation = false})
  end
  return blocks.residual(main, shortcut):add(nn.ReLU(true)), to
end

--- depth = 18, 34, 50, 101 or 152: layers with weights; classes = 1000; channels = 3.
-- small_images = false: for images of 32 x 32 or so, begin with a 3x3 convolution that keeps their
-- size instead of 7x7 with a step of 2 and a pooling.
-- width = 64: channels of the first stage; they double with each.
function ResNet:__init(given)
  Sequential.__init(self)
  local o = options.read('ResNet', given, KNOWN)
  local stages = o.depth
  if o.small_images then
    blocks.convolution(self, o.channels, o.width)
  else
    blocks.convolution(self, o.channels, o.width, {kernel = 7, stride = 2})
    self:add(nn.MaxPool2d(3, 2, 1))
  end
  local from, make = o.width, stages.bottleneck and bottleneck or basic
  for i, count in ipairs(stages) do
    local stage = nn.Sequential()
    for k = 1, count do
      local made
      made, from = block(make, from, o.width * 2 ^ (i - 1), k == 1 and i > 1 and 2 or 1)
      stage:add(made)
    end
    self:add(stage)
  end
  blocks.pool_all(self):add(nn.Linear(from, o.classes))
  initial.he(self)
end

function ResNet:reset(stdv)
  Sequential.reset(self, stdv)
  if not stdv then initial.he(self) end
end
