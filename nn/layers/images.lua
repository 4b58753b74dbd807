--- What modules for images share: a batch of them, or one without the first dimension.
local torch = require 'torch'

local images = {}

--- The input as (batch, channel, height, width), and whether it was a single image.
function images.batch(input, channels)
  local dims = torch.isTensor(input) and input:dim() or 0
  if dims ~= 3 and dims ~= 4 then
    error(('images (channel, height, width), or a batch of them, expected, got %s'):format(
      torch.isTensor(input) and dims .. ' dimensions' or torch.type(input)), 0)
  end
  if input:nElement() == 0 then error('an image with elements expected, got an empty one', 0) end
  if channels and input:size(dims - 2) ~= channels then
    error(('input has %d channels, expected %d'):format(input:size(dims - 2), channels), 0)
  end
  if dims == 4 then return input, false end
  return torch.unsqueeze(input, 1), true
end

--- The result in the form of the input.
function images.like(output, single)
  return single and torch.squeeze(output, 1) or output
end

return images
