--- What the local normalizations of images share: the mean of all channels around each pixel,
-- weighted by a kernel; and what of the kernel is inside of the image.
local torch = require 'torch'
local space = require 'nn.convolutions.space'

local local_mean = {}

--- Reads the number of channels and the kernel: a matrix, or a vector that is used along both
-- dimensions. Its weights are made to add up to 1.
function local_mean.set(module, nInputPlane, kernel)
  space.set(module, 1, 'nInputPlane', nInputPlane or 1)
  kernel = kernel and kernel:clone() or torch.ones(9, 9)
  if kernel:dim() ~= 1 and kernel:dim() ~= 2 then
    error(('%s: a kernel of 1 or 2 dimensions expected, got %d'):format(torch.type(module),
      kernel:dim()), 0)
  end
  for d = 1, kernel:dim() do
    if kernel:size(d) % 2 == 0 then
      error(('%s: a kernel of odd sizes expected, got %s'):format(torch.type(module),
        table.concat(kernel:size():totable(), 'x')), 0)
    end
  end
  module.kernel = kernel:div(kernel:sum())
end

local function smooth(image, kernel)
  if kernel:dim() == 2 then
    return torch.conv2d(image, kernel:view(1, 1, kernel:size(1), kernel:size(2)), nil, 1, 'same')
  end
  local k = kernel:size(1)
  local rows = torch.conv2d(image, kernel:view(1, 1, 1, k), nil, 1, 'same')
  return torch.conv2d(rows, kernel:view(1, 1, k, 1), nil, 1, 'same')
end

--- The mean around each pixel of batch (batch, channel, height, width), of zeros outside; and the
-- weight of what is inside, (1, 1, height, width). Both have one channel.
function local_mean.of(module, batch)
  local kernel = module.kernel
  local ones = torch.ones(1, 1, batch:size(3), batch:size(4)):typeAs(batch)
  return smooth(torch.mean(batch, 2), kernel), torch.no_grad(smooth, ones, kernel)
end

return local_mean
