--- VGG: stacks of 3x3 convolutions, each stack behind a pooling. Simonyan and Zisserman 2015,
-- arXiv:1409.1556.
--
--   nn.VGG{depth = 16}                                   -- 138,357,544 parameters
--   nn.VGG{depth = 11, classes = 10, batch_norm = true, pooled = 1, hidden = 512} -- for 32 x 32
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'
local initial = require 'nn.models.initial'

local VGG, Sequential = torch.class('nn.VGG', 'nn.Sequential')

-- Convolutions of each stack, by table 1 of the paper.
local STACKS = {[11] = {1, 1, 2, 2, 2}, [13] = {2, 2, 2, 2, 2}, [16] = {2, 2, 3, 3, 3},
  [19] = {2, 2, 4, 4, 4}}

local size = options.size
local KNOWN = {depth = options.choice(16, STACKS), classes = size(1000), channels = size(3),
  batch_norm = false, dropout = options.share(0.5), width = size(64), hidden = size(4096),
  pooled = size(7)}

--- depth = 11, 13, 16 or 19: layers with weights; classes = 1000; channels = 3.
-- batch_norm = false: behind each convolution; dropout = 0.5.
-- width = 64: channels of the first stack; they double up to eight times that.
-- hidden = 4096: units of the fully connected layers; pooled = 7: what images are pooled to before
-- them, whatever their size.
function VGG:__init(given)
  Sequential.__init(self)
  local o = options.read('VGG', given, KNOWN)
  local features, from = nn.Sequential(), o.channels
  for i, count in ipairs(o.depth) do
    local to = o.width * math.min(2 ^ (i - 1), 8)
    for _ = 1, count do
      features:add(nn.Conv2d(from, to, 3, 1, 1))
      if o.batch_norm then features:add(nn.BatchNorm2d(to)) end
      features:add(nn.ReLU(true))
      from = to
    end
    features:add(nn.MaxPool2d(2))
  end
  self:add(features)
  self:add(nn.AdaptiveAvgPool2d(o.pooled))
  self:add(nn.View(-1):setNumInputDims(3))
  self:add(nn.Sequential(
    nn.Linear(from * o.pooled * o.pooled, o.hidden), nn.ReLU(true), nn.Dropout(o.dropout),
    nn.Linear(o.hidden, o.hidden), nn.ReLU(true), nn.Dropout(o.dropout),
    nn.Linear(o.hidden, o.classes)))
  self:draw()
end

-- As its authors drew them for networks of this depth.
function VGG:draw()
  initial.he(self)
  initial.linear(self, 0.01)
end

function VGG:reset(stdv)
  Sequential.reset(self, stdv)
  if not stdv then self:draw() end
end
