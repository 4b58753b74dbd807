--- U-Net, images to images of the same size: a way down, where each level halves the size and
-- doubles the channels, and a way up that sees what each level saw. Ronneberger et al. 2015,
-- arXiv:1505.04597; convolutions are padded, so that nothing is cut off.
--
--   nn.UNet{channels = 3, classes = 2}                       -- 31,037,698 parameters
--   nn.UNet{channels = 1, classes = 1, width = 16, depth = 3}
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'
local initial = require 'nn.models.initial'
local blocks = require 'nn.models.blocks'

local UNet, Container = torch.class('nn.UNet', 'nn.Container')

local size = options.size
local KNOWN = {channels = size(1), classes = size(2), width = size(64), depth = size(4),
  batch_norm = true}

local function two_convolutions(into, from, to, batch_norm)
  for _ = 1, 2 do
    if batch_norm then
      blocks.convolution(into, from, to)
    else
      into:add(nn.Conv2d(from, to, 3, 1, 1)):add(nn.ReLU(true))
    end
    from = to
  end
  return into
end

--- channels = 1: of the input; classes = 2: channels of the output.
-- width = 64: channels of the first level; depth = 4: levels below it.
-- batch_norm = true: behind each convolution, which the paper did not have.
function UNet:__init(given)
  Container.__init(self)
  local o = options.read('UNet', given, KNOWN)
  self.depth = o.depth
  self:add(two_convolutions(nn.Sequential(), o.channels, o.width, o.batch_norm))
  local width = o.width
  for _ = 1, o.depth do
    self:add(two_convolutions(nn.Sequential(nn.MaxPool2d(2)), width, 2 * width,
      o.batch_norm))
    width = 2 * width
  end
  for _ = 1, o.depth do
    self:add(nn.ConvTranspose2d(width, width / 2, 2, 2))
    self:add(two_convolutions(nn.Sequential(), width, width / 2, o.batch_norm))
    width = width / 2
  end
  self:add(nn.Conv2d(width, o.classes, 1))
  initial.he(self)
end

function UNet:reset(stdv)
  Container.reset(self, stdv)
  if not stdv then initial.he(self) end
end

-- A size that is odd lost a row or column on the way down.
local function padded_like(x, other)
  local n = x:dim()
  local rows, columns = other:size(n - 1) - x:size(n - 1), other:size(n) - x:size(n)
  if rows == 0 and columns == 0 then return x end
  return torch.pad(x, {0, columns, 0, rows})
end

local function check(self, input)
  local n, least = input:dim(), 2 ^ self.depth
  if n ~= 3 and n ~= 4 then
    error(('images of 3 dimensions expected, or of 4 with the batch, got %d'):format(n), 0)
  end
  if input:size(n - 1) < least or input:size(n) < least then
    error(('images of %d x %d or more expected, got %d x %d'):format(least, least,
      input:size(n - 1), input:size(n)), 0)
  end
end

function UNet:updateOutput(input)
  check(self, input)
  local modules, depth, seen = self.modules, self.depth, {}
  local x = input
  for level = 1, depth + 1 do
    x = modules[level](x)
    seen[level] = x
  end
  for i = 1, depth do
    local at, skip = depth + 2 * i, seen[depth + 1 - i]
    x = padded_like(modules[at](x), skip)
    x = modules[at + 1](torch.cat({skip, x}, x:dim() - 2))
  end
  return modules[#modules](x)
end
