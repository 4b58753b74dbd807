--- x times the probability that a standard normal number is below x (Hendrycks and Gimpel 2016).
local torch = require 'torch'
require 'nn.Module'

local GELU = torch.class('nn.GELU', 'nn.Module')

--- approximate: 'tanh' for the approximation by tanh, 'none' by default.
function GELU:__init(approximate)
  if type(approximate) == 'table' then approximate = approximate.approximate end
  self.approximate = approximate or 'none'
  if self.approximate ~= 'none' and self.approximate ~= 'tanh' then
    error(("nn.GELU: 'none' or 'tanh' expected, got %s"):format(tostring(approximate)), 3)
  end
end

function GELU:updateOutput(input)
  return (self.approximate == 'tanh' and torch.gelu_tanh or torch.gelu)(input)
end
