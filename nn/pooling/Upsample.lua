--- Sequences, images or volumes (batch, channel, ...) resized, with PyTorch's arguments: to a size,
-- or by a factor.
local torch = require 'torch'
local arguments = require 'nn.convolutions.arguments'
require 'nn.Module'

local Upsample = torch.class('nn.Upsample', 'nn.Module')

local MODES = {'nearest', 'linear', 'bilinear', 'bicubic', 'trilinear', 'area', 'nearest-exact'}

--- size: a number or a table; or scale_factor: a number. mode = 'nearest', 'linear', 'bilinear',
-- 'bicubic', 'trilinear', 'area' or 'nearest-exact'. align_corners = false: true where the corners
-- stay what they are.
function Upsample:__init(...)
  local given = arguments.read(self, 'size scale_factor mode align_corners', ...)
  self.size, self.scale_factor = given.size, given.scale_factor
  if (self.size == nil) == (self.scale_factor == nil) then
    error('nn.Upsample: either a size or a scale_factor expected', 0)
  end
  self.mode = arguments.word(self, 'mode', given.mode or 'nearest', MODES)
  self.align_corners = given.align_corners or false
end

function Upsample:updateOutput(input)
  return torch.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners)
end

function Upsample:__tostring__()
  return arguments.call(self, '', {'size', 'nil', 'scale_factor', 'nil', 'mode', '',
    'align_corners', false})
end
