--- The input, unchanged; its gradient gets that of a penalty on the sum of its absolute values
-- added. The penalty itself is in `loss`.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local on_backward = require 'nn.layers.on_backward'
require 'nn.Module'

local L1Penalty = torch.class('nn.L1Penalty', 'nn.Module')

--- l1weight: factor of the penalty. sizeAverage: true to divide it by the number of elements.
-- provideOutput: false where nothing follows, so that no other gradient arrives.
function L1Penalty:__init(l1weight, sizeAverage, provideOutput)
  if type(l1weight) ~= 'number' then
    error(('nn.L1Penalty: a factor expected, got %s'):format(tostring(l1weight)), 3)
  end
  self.l1weight = l1weight
  self.sizeAverage = sizeAverage or false
  self.provideOutput = provideOutput ~= false
end

function L1Penalty:updateOutput(input)
  dims.check(input)
  local factor = self.l1weight
  if self.sizeAverage then factor = factor / math.max(input:nElement(), 1) end
  local plain = input:detach()
  self.loss = factor * plain:norm(1)
  local passes = self.provideOutput
  return on_backward(input, function(dy)
    local penalty = torch.sign(plain) * factor
    return passes and penalty + dy or penalty
  end)
end
