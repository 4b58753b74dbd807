--- Vision transformer: an image is a text whose words are its patches; a token before them gathers
-- what tells the class. Dosovitskiy et al. 2021, arXiv:2010.11929; tiny: Touvron et al. 2021,
-- arXiv:2012.12877.
--
--   nn.ViT()                                  -- tiny, 5,717,416 parameters
--   nn.ViT{width = 768, heads = 12}           -- base, 86,567,656
--   nn.ViT{size = 32, patch = 4, classes = 10, layers = 6, width = 128, heads = 4}
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'
local initial = require 'nn.models.initial'

local ViT, Container = torch.class('nn.ViT', 'nn.Container')

local whole = options.size
local KNOWN = {size = whole(224), patch = whole(16), channels = whole(3), classes = whole(1000),
  layers = whole(12), width = whole(192), heads = whole(3), mlp = whole(4),
  dropout = options.share(0)}

--- size = 224: height and width of the images; patch = 16: of a patch; channels = 3; classes =
-- 1000.
-- layers = 12, width = 192, heads = 3, mlp = 4, dropout = 0: see nn.TransformerBlock.
function ViT:__init(given)
  Container.__init(self)
  local o = options.read('ViT', given, KNOWN)
  if o.size % o.patch ~= 0 then
    error(('nn.ViT: size %d cannot be parted into patches of %d'):format(o.size, o.patch), 0)
  end
  local patches = (o.size / o.patch) ^ 2
  self.size, self.channels, self.layers = o.size, o.channels, o.layers
  self:parameter('first', 1, 1, o.width)
  self:parameter('places', 1, 1 + patches, o.width)
  self:add(nn.Conv2d(o.channels, o.width, o.patch, o.patch))
  self:add(nn.Dropout(o.dropout))
  for _ = 1, o.layers do
    self:add(nn.TransformerBlock{width = o.width, heads = o.heads, mlp = o.mlp,
      dropout = o.dropout})
  end
  self:add(nn.LayerNorm(o.width)):add(nn.Linear(o.width, o.classes))
  self:draw()
end

function ViT:draw()
  self.first:normal(0, 0.02)
  self.places:normal(0, 0.02)
  local patch = self.modules[1].weight
  initial.convolutions(self, math.sqrt(patch:size(1) / patch:nElement()))
  for i = 1, self.layers do self.modules[2 + i]:draw(0.02, 0.5) end
  local last = self.modules[self.layers + 4]
  last.weight:normal(0, 0.02)
  last.bias:zero()
end

function ViT:reset(stdv)
  Container.reset(self, stdv)
  if not stdv then self:draw() end
end

local function check(self, images)
  local dims = images:dim()
  if dims == 4 and images:size(2) == self.channels and images:size(3) == self.size
    and images:size(4) == self.size then
    return
  end
  error(('images of size [batch x %d x %d x %d] expected, got [%s]'):format(self.channels,
    self.size, self.size, table.concat(images:size():totable(), ' x ')), 0)
end

function ViT:updateOutput(images)
  if images:dim() == 3 then
    return self:updateOutput(torch.unsqueeze(images, 1)):select(1, 1)
  end
  check(self, images)
  local modules = self.modules
  local patches = modules[1](images) -- (batch, width, rows, columns)
  local batch, width = patches:size(1), patches:size(2)
  local count = patches:size(3) * patches:size(4)
  local x = torch.reshape(patches, batch, width, count):transpose(2, 3)
  x = torch.cat(self.first:expand(batch, 1, width), x, 2)
  x = modules[2](x + self.places)
  for i = 1, self.layers do x = modules[2 + i](x) end
  return modules[self.layers + 4](modules[self.layers + 3](x):select(2, 1))
end
