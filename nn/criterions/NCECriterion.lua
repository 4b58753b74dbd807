--- The loss for nn.NCEModule: tell the class that is right from those drawn at random. The mean
-- over the batch of -log(Pm / (Pm + k Pn)), and of -log(k Pn / (Pm + k Pn)) for each one drawn.
local torch = require 'torch'
require 'nn.Criterion'

local NCECriterion = torch.class('nn.NCECriterion', 'nn.Criterion')

-- Keeps logarithms finite.
local EPSILON = 1e-12

--- input: what nn.NCEModule gives in training. The target is not looked at.
function NCECriterion:updateOutput(input)
  if type(input) ~= 'table' or #input ~= 4 then
    error('a table of 4 tensors expected, as nn.NCEModule gives it in training', 0)
  end
  local own, drawn, own_noise, drawn_noise = input[1], input[2], input[3], input[4]
  local k = drawn:size(2)
  own_noise, drawn_noise = own_noise:detach() * k, drawn_noise:detach() * k
  local right = torch.log(torch.cdiv(own, own + own_noise + EPSILON) + EPSILON)
  local wrong = torch.log(torch.cdiv(drawn_noise, drawn + drawn_noise + EPSILON) + EPSILON)
  return -(right:sum() + wrong:sum()) / own:size(1)
end
