--- Variational autoencoder: an encoder that tells where in a small space an example lies, and how
-- sure it is; a decoder that makes an example of any point there. Kingma and Welling 2014,
-- arXiv:1312.6114.
--
--   local vae = nn.VAE{inputs = 784, hidden = 400, latent = 20}   -- 652,824 parameters
--   local loss = vae:loss(x)                 -- x in [0, 1]; loss:backward()
--   local images = vae:sample(16)
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'

local VAE, Container = torch.class('nn.VAE', 'nn.Container')

local size = options.size
local KNOWN = {inputs = size(784), hidden = size(400), latent = size(20)}

--- inputs = 784: numbers of an example; hidden = 400: units between; latent = 20: of the code.
function VAE:__init(given)
  Container.__init(self)
  local o = options.read('VAE', given, KNOWN)
  self.inputs, self.latent = o.inputs, o.latent
  self:add(nn.Sequential(nn.Linear(o.inputs, o.hidden), nn.ReLU())) -- encoder
  self:add(nn.Linear(o.hidden, o.latent)) -- mean
  self:add(nn.Linear(o.hidden, o.latent)) -- logarithm of the variance
  self:add(nn.Sequential(nn.Linear(o.latent, o.hidden), nn.ReLU(),
    nn.Linear(o.hidden, o.inputs))) -- decoder
end

--- The mean and the logarithm of the variance of the codes of x (batch, ...).
function VAE:encode(x)
  local hidden = self.modules[1](torch.reshape(x, x:size(1), x:nElement() / x:size(1)))
  return self.modules[2](hidden), self.modules[3](hidden)
end

--- Codes (batch, latent) -> examples, as logits: torch.sigmoid gives numbers in (0, 1).
function VAE:decode(codes)
  return self.modules[4](codes)
end

--- Returns {logits, mean, logarithm of the variance}. In training the code is drawn: the mean plus
-- noise of that variance, so that gradients reach both. In use it is the mean.
function VAE:updateOutput(x)
  local mean, logvar = self:encode(x)
  local code = mean
  if self.train ~= false then
    code = mean + torch.cmul(torch.exp(logvar * 0.5), torch.randn_like(mean:detach()))
  end
  return {self:decode(code), mean, logvar}
end

--- The bound on the likelihood that training minimises: cross-entropy of the result, and how far
-- the codes are from a standard normal distribution, summed, per example.
function VAE:loss(x)
  local out = self(x)
  local logits, mean, logvar = out[1], out[2], out[3]
  local target = torch.reshape(x, logits:size())
  -- -t log(s) - (1 - t) log(1 - s), s = sigmoid(logit), without overflow
  local unlike = torch.softplus(logits) - torch.cmul(target, logits)
  local apart = torch.square(mean) + torch.exp(logvar) - logvar - 1
  return (unlike:sum() + apart:sum() * 0.5) / x:size(1)
end

--- `count` new examples, numbers in (0, 1).
function VAE:sample(count)
  return torch.no_grad(function()
    local weight = self.modules[2].weight
    return torch.sigmoid(self:decode(torch.randn(count, self.latent):typeAs(weight)))
  end)
end
