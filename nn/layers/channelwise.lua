--- Numbers for each channel of images.
local torch = require 'torch'

local channelwise = {}

--- A tensor of `count` numbers, of a tensor, a table or one number for all.
function channelwise.tensor(value, count)
  if type(value) == 'number' then return torch.Tensor(count or 1):fill(value) end
  if type(value) == 'table' then value = torch.Tensor(value) end
  if not torch.isTensor(value) or count and value:nElement() ~= count then
    error(('a tensor of %s numbers, one for each channel, expected'):format(count or 'some'), 3)
  end
  return value:view(value:nElement())
end

--- The numbers (channel), or (batch, channel), for images (batch, channel, height, width).
function channelwise.expand(numbers, images)
  local batch = numbers:dim() == 2 and numbers:size(1) or 1
  return numbers:reshape(batch, numbers:size(numbers:dim()), 1, 1):expandAs(images:detach())
end

return channelwise
