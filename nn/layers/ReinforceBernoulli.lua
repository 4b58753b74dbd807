--- Draws 1 with the probability that the input gives, else 0. In use: the probabilities.
local torch = require 'torch'
require 'nn.layers.Reinforce'

local ReinforceBernoulli = torch.class('nn.ReinforceBernoulli', 'nn.Reinforce')

function ReinforceBernoulli:draw(p)
  local x = torch.rand(p:size()):typeAs(p):lt(p):typeAs(p)
  -- log p(x) = x log p + (1 - x) log(1 - p)
  return x, function() return torch.cdiv(x - p, torch.cmul(p, 1 - p):add(1e-8)) end
end

function ReinforceBernoulli:expected(p)
  return p
end
