--- Sums over kW frames of a sequence (batch, frame, feature), or of one without a batch; each
-- feature times its weight and plus its bias.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local frames = require 'nn.convolutions.frames'
require 'nn.Module'

local TemporalSubSampling = torch.class('nn.TemporalSubSampling', 'nn.Module')

--- kW: frames of a window; dW: its step, 1 by default.
function TemporalSubSampling:__init(inputFrameSize, kW, dW)
  space.set(self, 1, 'inputFrameSize kW dW', inputFrameSize, kW, dW or 1)
  self:parameter('weight', inputFrameSize)
  self:parameter('bias', inputFrameSize)
  self:reset()
end

function TemporalSubSampling:reset(stdv)
  space.draw(self, self.kW, stdv)
end

-- Frames as rows of an image.
function TemporalSubSampling:updateOutput(input)
  local x, batched = frames.check(input, self.inputFrameSize, self.kW)
  local sums = torch.avg_pool2d(x, {self.kW, 1}, {self.dW, 1}, 0, false, true, 1)
  return frames.plain(torch.cmul(sums, self.weight) + self.bias, batched)
end
