--- Each example scaled to p-norm 1. Input: a vector or (batch, feature).
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Normalize = torch.class('nn.Normalize', 'nn.Module')

--- p: order of the norm, above 0, may be math.huge. eps: added to the sum of powers (to the norm
-- when p is infinite), against division by 0.
function Normalize:__init(p, eps)
  if type(p) ~= 'number' or p <= 0 or p ~= p then
    error(('nn.Normalize: an order p above 0 expected, got %s'):format(tostring(p)), 3)
  end
  self.p, self.eps = p, eps or 1e-10
end

function Normalize:updateOutput(input)
  dims.check(input, 1, 2)
  local last, p = input:dim(), self.p
  local norm
  if p == math.huge then
    norm = torch.amax(torch.abs(input), last) + self.eps
  elseif p == 2 then
    norm = torch.sqrt(torch.sum(torch.square(input), last) + self.eps)
  else
    local powers = torch.sum(torch.pow(torch.abs(input), p), last) + self.eps
    norm = torch.pow(powers, 1 / p)
  end
  self.norm = norm:detach()
  return input / norm
end

function Normalize:__tostring__()
  return ('%s(%s)'):format(torch.type(self),
    self.p == math.huge and 'inf' or ('%.14g'):format(self.p))
end
