--- Passes the probabilities of classes on and makes their mean over the batch more even: adds
-- -scale times the entropy of this mean to the loss.
local torch = require 'torch'
local on_backward = require 'nn.layers.on_backward'
require 'nn.Module'

local CategoricalEntropy = torch.class('nn.CategoricalEntropy', 'nn.Module')

--- scale: the weight of the entropy, 1 by default. minEntropy: act only as long as the entropy is
-- below this; always by default.
function CategoricalEntropy:__init(scale, minEntropy)
  self.scale, self.minEntropy = scale or 1, minEntropy
end

local EPSILON = 1e-8

function CategoricalEntropy:updateOutput(input)
  if input:dim() ~= 2 then
    error(('a batch of probabilities, 2 dimensions, expected, got %d'):format(input:dim()), 0)
  end
  local mean = input:detach():mean(1) -- (1, class)
  local logarithm = torch.log(mean + EPSILON)
  self.entropy = -torch.cmul(mean, logarithm):sum()
  if self.minEntropy and self.entropy >= self.minEntropy then return input end
  -- d -H / d p = log p + 1
  local gradient = ((logarithm + 1) * (self.scale / input:size(1))):expandAs(input:detach())
  return on_backward(input, function(d) return d + gradient end)
end
