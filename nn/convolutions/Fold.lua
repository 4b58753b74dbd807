--- Columns as Unfold gives them, (batch, channel * window, position), added up to images (batch,
-- channel, height, width).
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local arguments = require 'nn.convolutions.arguments'
require 'nn.Module'

local Fold = torch.class('nn.Fold', 'nn.Module')

--- output_size: of the images; kernel_size; dilation = 1; padding = 0; stride = 1: numbers, or
-- tables {height, width}.
function Fold:__init(...)
  local given = arguments.read(self, 'output_size kernel_size dilation padding stride', ...)
  self.output_size = arguments.vector(self, 'output_size', given.output_size, 2, 1)
  self.kernel_size = arguments.vector(self, 'kernel_size', given.kernel_size, 2, 1)
  self.dilation = arguments.vector(self, 'dilation', given.dilation or 1, 2, 1)
  self.padding = arguments.vector(self, 'padding', given.padding or 0, 2, 0)
  self.stride = arguments.vector(self, 'stride', given.stride or 1, 2, 1)
end

function Fold:updateOutput(input)
  local batched = space.batched(input, 2, 'channel * window, position')
  return space.as_batch(function(batch)
    return torch.col2im(batch, self.output_size, self.kernel_size, self.dilation, self.padding,
      self.stride)
  end, input, batched)
end

function Fold:__tostring__()
  return arguments.call(self, 'output_size kernel_size', {'dilation', 1, 'padding', 0, 'stride', 1})
end
