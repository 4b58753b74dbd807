--- In training drops each element with probability p and scales the others by 1 / (1 - p), so that
-- the mean stays; in use does nothing. Srivastava et al. 2014.
local torch = require 'torch'
local overwrite = require 'nn.inplace'
require 'nn.Module'

local Dropout = torch.class('nn.Dropout', 'nn.Module')

--- v1: scale when in use instead of in training. inplace: write over the input, see nn/inplace.lua.
-- stochastic: drop when in use, too.
function Dropout:__init(p, v1, inplace, stochastic)
  self:setp(p or 0.5)
  self.train = true
  self.v2 = not v1
  self.inplace = inplace or false
  self.stochastic_inference = stochastic or false
end

function Dropout:setp(p)
  if type(p) ~= 'number' or not (p >= 0 and p < 1) then
    error(('nn.Dropout: a probability from 0 to below 1 expected, got %s'):format(tostring(p)), 3)
  end
  self.p = p
end

function Dropout:updateOutput(input)
  local keep = 1 - self.p
  if self.train == false and not self.stochastic_inference then
    if self.v2 then return input end
    local target = overwrite.target(self, input)
    return target and target:mul(keep) or input * keep
  end
  if self.p == 0 then return input end
  local target = overwrite.target(self, input)
  if target then
    self.noise = torch.empty_like(target:detach()):bernoulli(keep)
    return target:cmul(self.v2 and self.noise:div(keep) or self.noise)
  end
  local output = torch.dropout(input, self.p)
  return self.v2 and output or output * keep
end

function Dropout:__tostring__()
  return ('%s(%f)'):format(torch.type(self), self.p)
end
