--- What ConvTranspose1d, ConvTranspose2d and ConvTranspose3d share.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local arguments = require 'nn.convolutions.arguments'
local conv = require 'nn.convolutions.conv'

local conv_transpose = {}

local CONVOLVE = {torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d}
local NAMES = 'in_channels out_channels kernel_size stride padding output_padding groups bias '
  .. 'dilation padding_mode'

--- Gives a class its methods; n: dimensions of space.
function conv_transpose.define(class, n)
  local convolve = CONVOLVE[n]

  function class:__init(...)
    local given = arguments.read(self, NAMES, ...)
    conv.read(self, given, n)
    arguments.word(self, 'padding_mode', self.padding_mode, {'zeros'})
    self.padding = arguments.vector(self, 'padding', given.padding or 0, n, 0)
    self.output_padding = arguments.vector(self, 'output_padding', given.output_padding or 0, n, 0)
    for d = 1, n do
      local extra = self.output_padding[d]
      if extra >= self.stride[d] and extra >= self.dilation[d] then
        error(('%s: output_padding: less than the stride or the dilation expected, got %d'):format(
          torch.type(self), extra), 0)
      end
    end
    local unpack = table.unpack or unpack
    self:parameter('weight', self.in_channels, self.out_channels / self.groups,
      unpack(self.kernel_size))
    if given.bias ~= false then self:parameter('bias', self.out_channels) end
    self:reset()
  end

  --- Uniform numbers of this standard deviation; by default as PyTorch, within 1 / sqrt(outputs of
  -- an input).
  function class:reset(stdv)
    space.draw(self, self.out_channels / self.groups * conv.cells(self), stdv)
  end

  function class:updateOutput(input)
    input = space.check(input, n, self.in_channels, self.weight)
    return convolve(input, self.weight, self.bias, self.stride, self.padding, self.output_padding,
      self.groups, self.dilation)
  end

  function class:__tostring__()
    local rest = {'stride', 1, 'padding', 0, 'output_padding', 0, 'groups', 1, 'dilation', 1}
    local text = arguments.call(self, 'in_channels out_channels kernel_size', rest)
    return text .. (self.bias and '' or ' without bias')
  end
end

return conv_transpose
