--- LeNet-5: two convolutions, each with a pooling, and three fully connected layers. LeCun et al.
-- 1998, "Gradient-based learning applied to document recognition".
--
--   nn.LeNet()                      -- 61,706 parameters, images of 28 x 28
--   nn.LeNet{activation = 'Tanh', pooling = 'average'}  -- as in the paper
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'
local blocks = require 'nn.models.blocks'

local LeNet, Sequential = torch.class('nn.LeNet', 'nn.Sequential')

local POOLINGS = {max = 'MaxPool2d', average = 'AvgPool2d'}
local KNOWN = {classes = options.size(10), channels = options.size(1), size = options.size(28),
  activation = 'ReLU', pooling = options.choice('max', POOLINGS)}

--- classes = 10; channels = 1; size = 28: of the images, a multiple of 4.
-- activation = 'ReLU': a class of nn; pooling = 'max' or 'average'.
-- Images of up to 28 are padded by 2, as the digits of the paper were.
function LeNet:__init(given)
  Sequential.__init(self)
  local o = options.read('LeNet', given, KNOWN)
  local padding = o.size <= 28 and 2 or 0
  local last = (o.size + 2 * padding - 4) / 4 - 2 -- after the second pooling
  if last % 1 ~= 0 or last < 1 then
    error(('nn.LeNet: size: a multiple of 4, 12 or more, expected, got %d'):format(o.size), 0)
  end
  local activation = blocks.activation('LeNet', o.activation)
  self:add(nn.Conv2d(o.channels, 6, 5, 1, padding)):add(activation())
  self:add(nn[o.pooling](2))
  self:add(nn.Conv2d(6, 16, 5)):add(activation())
  self:add(nn[o.pooling](2))
  self:add(nn.View(-1):setNumInputDims(3))
  self:add(nn.Linear(16 * last * last, 120)):add(activation())
  self:add(nn.Linear(120, 84)):add(activation())
  self:add(nn.Linear(84, o.classes))
end
