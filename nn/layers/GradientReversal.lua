--- The input, unchanged; its gradient is multiplied by -lambda. Ganin et al. 2015.
local torch = require 'torch'
local run = require 'nn.run'
local dims = require 'nn.layers.dims'
local on_backward = require 'nn.layers.on_backward'
require 'nn.Module'

local GradientReversal = torch.class('nn.GradientReversal', 'nn.Module')

function GradientReversal:__init(lambda)
  self:setLambda(lambda)
end

--- Counts from the next backward on; inside of a container from the next forward.
function GradientReversal:setLambda(lambda)
  run.forget(self)
  self.lambda = lambda or 1
  return self
end

function GradientReversal:updateOutput(input)
  dims.check(input)
  local factor = -self.lambda
  return on_backward(input, function(dy) return dy * factor end)
end
