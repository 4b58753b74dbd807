--- The k greatest values of each feature of a sequence (batch, frame, feature), in the order in
-- which they stand, where k grows with the number of frames: Kalchbrenner et al. 2014.
local torch = require 'torch'
local frames = require 'nn.convolutions.frames'
local space = require 'nn.convolutions.space'
require 'nn.Module'

local TemporalDynamicKMaxPooling = torch.class('nn.TemporalDynamicKMaxPooling', 'nn.Module')

--- k = max(minK, ceil(factor * frames)); without a factor, minK.
function TemporalDynamicKMaxPooling:__init(minK, factor)
  space.set(self, 1, 'minK', minK)
  self.factor = factor or 0
  if type(self.factor) ~= 'number' or self.factor < 0 or self.factor > 1 then
    error(('nn.TemporalDynamicKMaxPooling: factor: a number from 0 to 1 expected, got %s'):format(
      tostring(factor)), 0)
  end
end

function TemporalDynamicKMaxPooling:updateOutput(input)
  local x, batched = frames.check(input, nil, self.minK)
  local k = math.max(self.minK, math.ceil(self.factor * x:size(2)))
  local _, places = torch.topk(x:detach(), k, 2, true)
  self.indices = torch.sort(places, 2)
  return frames.plain(torch.gather(x, 2, self.indices), batched)
end
