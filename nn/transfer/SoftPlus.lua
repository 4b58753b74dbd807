--- log(1 + exp(beta x)) / beta, a smooth rectifier.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local SoftPlus = torch.class('nn.SoftPlus', 'nn.Module')

--- threshold: where beta x is above it the result is x itself, 20 by default.
function SoftPlus:__init(beta, threshold)
  self.beta, self.threshold = beta or 1, threshold or 20
  if self.beta == 0 then error('nn.SoftPlus: a beta other than 0 expected', 3) end
end

function SoftPlus:updateOutput(input)
  dims.check(input)
  local beta = self.beta
  local output = beta == 1 and torch.softplus(input) or torch.softplus(input * beta) / beta
  -- From 20 on both are the same number, or nearly.
  if self.threshold >= 20 then return output end
  return torch.where(torch.gt(input:detach() * beta, self.threshold), input, output)
end

function SoftPlus:__tostring__()
  return ('%s(%g)'):format(torch.type(self), self.beta)
end
