--- Deep convolutional generative adversarial network: a generator that learns to make images, from
-- a discriminator that learns to tell them from real ones. Radford et al. 2016, arXiv:1511.06434.
--
--   local gan = nn.DCGAN{size = 32, channels = 1}
--   gan:discriminator_loss(images)   -- backward() reaches the discriminator alone
--   gan:generator_loss(64)           -- of 64 images; backward() reaches both
--   gan:sample(16)                   -- images in (-1, 1)
local torch = require 'torch'
local nn = require 'nn'

local DCGAN, Container = torch.class('nn.DCGAN', 'nn.Container')

--- latent = 100, channels = 3, size = 64, width = 64: see nn.DCGANGenerator. get(1) is the
-- generator, get(2) the discriminator.
function DCGAN:__init(given)
  Container.__init(self)
  self:add(nn.DCGANGenerator(given))
  local rest = {}
  for name, value in pairs(given or {}) do
    if name ~= 'latent' then rest[name] = value end
  end
  self:add(nn.DCGANDiscriminator(rest))
end

--- Noise (batch, latent) -> what the discriminator makes of the images.
function DCGAN:updateOutput(noise)
  return self.modules[2](self.modules[1](noise))
end

local function noise(self, count)
  local generator = self.modules[1]
  return torch.randn(count, generator.latent):typeAs((generator:parameters())[1])
end

-- Mean of -log(sigmoid(logit)), for images that shall count as real, or of the contrary.
local function cross_entropy(logits, real)
  return torch.softplus(real and -logits or logits):mean()
end

--- How badly the discriminator tells these images from as many made ones.
function DCGAN:discriminator_loss(images)
  local made = self.modules[1]:sample(images:size(1))
  local discriminator = self.modules[2]
  return cross_entropy(discriminator(images), true) + cross_entropy(discriminator(made), false)
end

--- How badly `count` made images pass for real.
function DCGAN:generator_loss(count)
  return cross_entropy(self(noise(self, count)), true)
end

function DCGAN:sample(count)
  return self.modules[1]:sample(count)
end
