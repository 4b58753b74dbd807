--- Dropout for SELU: dropped elements get SELU's limit for small x, and all are scaled and moved,
-- so that mean 0 and variance 1 stay. Klambauer et al. 2017.
local torch = require 'torch'
local dims = require 'nn.layers.dims'

local AlphaDropout = torch.class('nn.AlphaDropout', 'nn.Dropout')

local LIMIT = -1.7580993408473766

function AlphaDropout:__init(p)
  self:setp(p or 0.5)
  self.train = true
end

function AlphaDropout:updateOutput(input)
  dims.check(input)
  local p = self.p
  if self.train == false or p == 0 then return input end
  local keep = torch.empty_like(input:detach()):bernoulli(1 - p)
  local scale = 1 / math.sqrt((1 - p) * (1 + p * LIMIT * LIMIT))
  -- scale * (x or LIMIT) - scale * p * LIMIT
  local shift = torch.mul(keep, -LIMIT * scale) + LIMIT * scale * (1 - p)
  return torch.cmul(input, torch.mul(keep, scale)) + shift
end
