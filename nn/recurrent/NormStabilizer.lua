--- Passes hidden states on and keeps their norms from step to step alike: adds
-- beta (|h| - |h'|)^2, the mean over the batch, to the loss. Krueger and Memisevic 2015,
-- arXiv:1511.08400.
local torch = require 'torch'
require 'nn.recurrent.AbstractRecurrent'

local NormStabilizer, AbstractRecurrent = torch.class('nn.NormStabilizer', 'nn.AbstractRecurrent')

--- beta: the weight of the penalty. rho: how many steps backward can go back.
function NormStabilizer:__init(beta, rho)
  AbstractRecurrent.__init(self, rho or 9999)
  self.beta = beta
end

local function norms(hidden)
  return torch.norm(hidden, 2, hidden:dim())
end

--- The penalty of two states that follow each other: a tensor of one element.
function NormStabilizer:penalty(hidden, before)
  local gaps = norms(hidden) - norms(before)
  return torch.reshape(torch.cmul(gaps, gaps), -1):mean() * self.beta
end

function NormStabilizer:advance(hidden, before)
  if before == nil or self.train == false then return hidden, hidden end
  local penalty = self:penalty(hidden, before)
  self.loss = type(penalty) == 'number' and penalty or penalty:item()
  if type(penalty) == 'number' or not hidden.requires_grad then return hidden, hidden end
  -- The loss does not know of the penalty: whenever it goes backward through the states, the
  -- penalty goes with it.
  local output, one = hidden:detach(), torch.ones_like(penalty:detach())
  torch.record(function(d) return d, one end, {hidden, penalty}, {output})
  return output, hidden
end
