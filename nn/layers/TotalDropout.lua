--- In training the whole input is zeros with probability p; in use it passes.
local torch = require 'torch'
require 'nn.Module'

local TotalDropout = torch.class('nn.TotalDropout', 'nn.Module')

--- p: 0.5 by default.
function TotalDropout:__init(p)
  self.p = p or 0.5
  if type(self.p) ~= 'number' or not (self.p >= 0 and self.p < 1) then
    error(('nn.TotalDropout: a probability from 0 to below 1 expected, got %s'):format(
      tostring(p)), 3)
  end
  self.train = true
end

function TotalDropout:updateOutput(input)
  if self.train == false then return input end
  self.noise = torch.uniform() < self.p and 0 or 1
  return input * self.noise
end

function TotalDropout:__tostring__()
  return ('%s(%f)'):format(torch.type(self), self.p)
end
