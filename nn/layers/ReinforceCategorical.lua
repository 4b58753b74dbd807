--- Draws a class from the probabilities (batch, class) of the input: 1 for it, 0 for the others. In
-- use: the probabilities.
local torch = require 'torch'
require 'nn.layers.Reinforce'

local ReinforceCategorical = torch.class('nn.ReinforceCategorical', 'nn.Reinforce')

function ReinforceCategorical:draw(p)
  local rows = p:dim() == 1 and p:view(1, p:size(1)) or p
  if rows:dim() ~= 2 then
    error(('probabilities (batch, class) expected, got %d dimensions'):format(p:dim()), 0)
  end
  self.index = torch.multinomial(rows, 1, true)
  local x = torch.zeros_like(rows):scatter(2, self.index, 1):viewAs(p)
  return x, function() return torch.cdiv(x, p + 1e-8) end
end

function ReinforceCategorical:expected(p)
  return p
end
