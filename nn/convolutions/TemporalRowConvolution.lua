--- Convolution of each feature of a sequence by itself: (batch, frame, feature), or without a
-- batch.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local frames = require 'nn.convolutions.frames'
require 'nn.Module'

local TemporalRowConvolution = torch.class('nn.TemporalRowConvolution', 'nn.Module')

--- inputFrameSize: features. kW: frames of a window; dW: its step, 1 by default. featFirst: true
-- where sequences are (batch, feature, frame).
function TemporalRowConvolution:__init(inputFrameSize, kW, dW, featFirst)
  space.set(self, 1, 'inputFrameSize kW dW', inputFrameSize, kW, dW or 1)
  self.featFirst = featFirst or false
  self:parameter('weight', inputFrameSize, 1, kW)
  self:parameter('bias', inputFrameSize)
  self:reset()
end

function TemporalRowConvolution:reset(stdv)
  space.draw(self, self.kW * self.inputFrameSize, stdv)
end

--- Drops the bias.
TemporalRowConvolution.noBias = space.no_bias

function TemporalRowConvolution:updateOutput(input)
  space.batched(input, 2, self.featFirst and 'feature, frame' or 'frame, feature')
  if self.featFirst then input = input:transpose(-1, -2) end
  local x, batched = frames.check(input, self.inputFrameSize, self.kW)
  local output = torch.conv1d(x:transpose(2, 3), self.weight, self.bias, self.dW, 0, 1,
    self.inputFrameSize)
  return frames.plain(self.featFirst and output or output:transpose(2, 3):contiguous(), batched)
end

function TemporalRowConvolution:__tostring__()
  return ('%s(%d, %d%s)%s'):format(torch.type(self), self.inputFrameSize, self.kW,
    self.dW == 1 and '' or (', %d'):format(self.dW), self.bias and '' or ' without bias')
end
