--- What lies under each position of a sliding window, as columns: images (batch, channel, height,
-- width) become (batch, channel * window, position).
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local arguments = require 'nn.convolutions.arguments'
require 'nn.Module'

local Unfold = torch.class('nn.Unfold', 'nn.Module')

--- kernel_size; dilation = 1; padding = 0; stride = 1: numbers, or tables {height, width}.
function Unfold:__init(...)
  local given = arguments.read(self, 'kernel_size dilation padding stride', ...)
  self.kernel_size = arguments.vector(self, 'kernel_size', given.kernel_size, 2, 1)
  self.dilation = arguments.vector(self, 'dilation', given.dilation or 1, 2, 1)
  self.padding = arguments.vector(self, 'padding', given.padding or 0, 2, 0)
  self.stride = arguments.vector(self, 'stride', given.stride or 1, 2, 1)
end

function Unfold:updateOutput(input)
  local x, batched = space.check(input, 2)
  return space.as_batch(function(batch)
    return torch.im2col(batch, self.kernel_size, self.dilation, self.padding, self.stride)
  end, x, batched)
end

function Unfold:__tostring__()
  return arguments.call(self, 'kernel_size', {'dilation', 1, 'padding', 0, 'stride', 1})
end
