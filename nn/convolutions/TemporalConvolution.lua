--- Convolution of sequences (batch, frame, feature), or of one without a batch: each output frame
-- is linear in kW input frames. It has floor((frames - kW) / dW) + 1 of them.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local frames = require 'nn.convolutions.frames'
require 'nn.Module'

local TemporalConvolution = torch.class('nn.TemporalConvolution', 'nn.Module')

--- Sizes are features of a frame. kW: frames of a window; dW: its step, 1 by default.
function TemporalConvolution:__init(inputFrameSize, outputFrameSize, kW, dW)
  space.set(self, 1, 'inputFrameSize outputFrameSize kW dW', inputFrameSize, outputFrameSize, kW,
    dW or 1)
  self:parameter('weight', outputFrameSize, inputFrameSize * kW)
  self:parameter('bias', outputFrameSize)
  self:reset()
end

function TemporalConvolution:reset(stdv)
  space.draw(self, self.kW * self.inputFrameSize, stdv)
end

--- Drops the bias.
TemporalConvolution.noBias = space.no_bias

-- The frames of a window lie one behind the other, as the weight wants them.
function TemporalConvolution:updateOutput(input)
  local x, batched = frames.check(input, self.inputFrameSize, self.kW)
  local size = self.inputFrameSize
  local windows = x:reshape(x:size(1), x:size(2) * size):unfold(2, self.kW * size, self.dW * size)
  return frames.plain(torch.linear(windows, self.weight, self.bias), batched)
end

function TemporalConvolution:__tostring__()
  return ('%s(%d -> %d, %d%s)%s'):format(torch.type(self), self.inputFrameSize,
    self.outputFrameSize, self.kW, self.dW == 1 and '' or (', %d'):format(self.dW),
    self.bias and '' or ' without bias')
end
