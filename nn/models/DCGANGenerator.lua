--- The half of a DCGAN that makes images of noise (batch, latent), in (-1, 1): transposed
-- convolutions, each of which doubles the size. Radford et al. 2016, arXiv:1511.06434.
--
--   nn.DCGANGenerator()              -- 64 x 64, 3,576,704 parameters
--   nn.DCGANGenerator{size = 32, channels = 1, width = 32}
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'
local dcgan = require 'nn.models.dcgan'

local DCGANGenerator, Sequential = torch.class('nn.DCGANGenerator', 'nn.Sequential')

local KNOWN = {latent = options.size(100), channels = options.size(3), width = options.size(64),
  size = dcgan.size(64)}

local function up(into, from, to, stride, padding)
  into:add(nn.ConvTranspose2d(from, to, 4, stride, padding, 0, 1, false))
  return into:add(nn.BatchNorm2d(to)):add(nn.ReLU(true))
end

--- latent = 100: numbers of noise for an image; channels = 3.
-- size = 64: height and width, a power of 2 from 8; width = 64: channels before the last layer.
function DCGANGenerator:__init(given)
  Sequential.__init(self)
  local o = options.read('DCGANGenerator', given, KNOWN)
  self.latent = o.latent
  local widths = dcgan.widths(o)
  self:add(nn.View(o.latent, 1, 1):setNumInputDims(1))
  local from = o.latent
  for i = #widths, 1, -1 do
    local first = i == #widths -- 1 x 1 to 4 x 4
    up(self, from, widths[i], first and 1 or 2, first and 0 or 1)
    from = widths[i]
  end
  self:add(nn.ConvTranspose2d(from, o.channels, 4, 2, 1, 0, 1, false)):add(nn.Tanh())
  dcgan.draw(self)
end

function DCGANGenerator:reset(stdv)
  Sequential.reset(self, stdv)
  if not stdv then dcgan.draw(self) end
end

--- `count` images of new noise.
function DCGANGenerator:sample(count)
  return torch.no_grad(function()
    return self(torch.randn(count, self.latent):typeAs((self:parameters())[1]))
  end)
end
