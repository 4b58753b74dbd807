--- The greatest value of each feature in kW frames of a sequence (batch, frame, feature), or of one
-- without a batch. `indices` are the frames that they were in.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local frames = require 'nn.convolutions.frames'
local window = require 'nn.pooling.window'
require 'nn.Module'

local TemporalMaxPooling, parent = torch.class('nn.TemporalMaxPooling', 'nn.Module')

--- kW: frames of a window; dW: its step, kW by default.
function TemporalMaxPooling:__init(kW, dW)
  space.set(self, 1, 'kW dW', kW, dW or kW)
end

window.forgets_indices(TemporalMaxPooling, parent)

-- Frames as rows of an image.
function TemporalMaxPooling:updateOutput(input)
  local x, batched = frames.check(input, nil, self.kW)
  local output, places = torch.max_pool2d(x, {self.kW, 1}, {self.dW, 1})
  self.indices = frames.plain(torch.floor((places - 1):to('float64') / x:size(3)):to('int64') + 1,
    batched)
  return frames.plain(output, batched)
end

function TemporalMaxPooling:__tostring__()
  return ('%s(%d, %d)'):format(torch.type(self), self.kW, self.dW)
end
