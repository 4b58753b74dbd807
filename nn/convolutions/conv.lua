--- What Conv1d, Conv2d and Conv3d share.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local arguments = require 'nn.convolutions.arguments'

local conv = {}

conv.MODES = {'zeros', 'reflect', 'replicate', 'circular'}
-- As torch.pad calls them.
local PAD_MODES = {zeros = 'constant', reflect = 'reflect', replicate = 'replicate',
  circular = 'circular'}
local CONVOLVE = {torch.conv1d, torch.conv2d, torch.conv3d}
local NAMES = 'in_channels out_channels kernel_size stride padding dilation groups bias '
  .. 'padding_mode'

--- Reads what all convolutions have: channels, groups and the vectors of n numbers.
function conv.read(module, given, n)
  module.in_channels = arguments.whole(module, 'in_channels', given.in_channels, 1)
  module.out_channels = arguments.whole(module, 'out_channels', given.out_channels, 1)
  module.kernel_size = arguments.vector(module, 'kernel_size', given.kernel_size, n, 1)
  module.stride = arguments.vector(module, 'stride', given.stride or 1, n, 1)
  module.dilation = arguments.vector(module, 'dilation', given.dilation or 1, n, 1)
  module.groups = arguments.whole(module, 'groups', given.groups or 1, 1)
  module.padding_mode = given.padding_mode or 'zeros'
  if module.in_channels % module.groups ~= 0 or module.out_channels % module.groups ~= 0 then
    error(('%s: %d and %d channels cannot be parted into %d groups'):format(torch.type(module),
      module.in_channels, module.out_channels, module.groups), 0)
  end
end

--- Elements of the kernel.
function conv.cells(module)
  local cells = 1
  for _, size in ipairs(module.kernel_size) do cells = cells * size end
  return cells
end

-- What stands around the input, {before, behind} the last dimension, the last but one, ...
local function widths(module, n)
  local list = {}
  for d = n, 1, -1 do
    local before, behind = module.padding[d], module.padding[d]
    if module.padding == 'same' then -- an odd rest goes behind
      local all = module.dilation[d] * (module.kernel_size[d] - 1)
      before = math.floor(all / 2)
      behind = all - before
    end
    list[#list + 1], list[#list + 2] = before, behind
  end
  return list
end

--- Gives a class its methods; n: dimensions of space.
function conv.define(class, n)
  local convolve = CONVOLVE[n]

  function class:__init(...)
    local given = arguments.read(self, NAMES, ...)
    conv.read(self, given, n)
    arguments.word(self, 'padding_mode', self.padding_mode, conv.MODES)
    if type(given.padding) == 'string' then
      self.padding = arguments.word(self, 'padding', given.padding, {'same', 'valid'})
    else
      self.padding = arguments.vector(self, 'padding', given.padding or 0, n, 0)
    end
    local unpack = table.unpack or unpack
    self:parameter('weight', self.out_channels, self.in_channels / self.groups,
      unpack(self.kernel_size))
    if given.bias ~= false then self:parameter('bias', self.out_channels) end
    self:reset()
  end

  --- Uniform numbers of this standard deviation; by default within 1 / sqrt(inputs of an output).
  function class:reset(stdv)
    space.draw(self, self.in_channels / self.groups * conv.cells(self), stdv)
  end

  function class:updateOutput(input)
    input = space.check(input, n, self.in_channels, self.weight)
    local padding = self.padding
    if self.padding_mode ~= 'zeros' and padding ~= 'valid' then
      input = torch.pad(input, widths(self, n), PAD_MODES[self.padding_mode])
      padding = 0
    end
    return convolve(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
  end

  function class:__tostring__()
    local rest = {'stride', 1, 'padding', 0, 'dilation', 1, 'groups', 1, 'padding_mode', 'zeros'}
    local text = arguments.call(self, 'in_channels out_channels kernel_size', rest)
    return text .. (self.bias and '' or ' without bias')
  end
end

return conv
