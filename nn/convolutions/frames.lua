--- What the layers over sequences (batch, frame, feature), or (frame, feature), share.
local space = require 'nn.convolutions.space'

local frames = {}

--- Checks a sequence; size: features of a frame; least: how many frames a window needs. Returns the
-- sequence as a batch, and whether it came as one.
function frames.check(input, size, least)
  local batched = space.batched(input, 2, 'frame, feature')
  local count, features = input:size(-2), input:size(-1)
  if size and features ~= size then
    error(('input has frames of %d features, expected %d'):format(features, size), 0)
  end
  if count < least then
    error(('input has %d frames, a window needs at least %d'):format(count, least), 0)
  end
  return batched and input or input:unsqueeze(1), batched
end

--- A result for a batch as one for what came.
function frames.plain(output, batched)
  return batched and output or output:select(1, 1)
end

return frames
