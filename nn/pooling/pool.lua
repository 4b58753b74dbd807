--- What the pooling layers with PyTorch's names share.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local arguments = require 'nn.convolutions.arguments'

local pool = {}

-- The window, its step (by default the window) and the padding, of n dimensions.
local function read(module, given, n)
  module.kernel_size = arguments.vector(module, 'kernel_size', given.kernel_size, n, 1)
  module.stride = arguments.vector(module, 'stride', given.stride or given.kernel_size, n, 1)
  module.padding = arguments.vector(module, 'padding', given.padding or 0, n, 0)
  module.ceil_mode = given.ceil_mode or false
end

--- Gives a class the methods of a pooling by greatest values; n: dimensions of space.
function pool.greatest(class, n)
  local greatest = torch[('max_pool%dd'):format(n)]

  function class:__init(...)
    local given = arguments.read(self,
      'kernel_size stride padding dilation return_indices ceil_mode', ...)
    read(self, given, n)
    self.dilation = arguments.vector(self, 'dilation', given.dilation or 1, n, 1)
    self.return_indices = given.return_indices or false
  end

  function class:updateOutput(input)
    space.check(input, n)
    local output, indices = greatest(input, self.kernel_size, self.stride, self.padding,
      self.dilation, self.ceil_mode)
    return self.return_indices and {output, indices} or output
  end

  function class:__tostring__()
    return arguments.call(self, 'kernel_size', {'stride', self.kernel_size, 'padding', 0,
      'dilation', 1, 'return_indices', false, 'ceil_mode', false})
  end
end

--- The same for means.
function pool.mean(class, n)
  local mean = torch[('avg_pool%dd'):format(n)]

  function class:__init(...)
    local given = arguments.read(self,
      'kernel_size stride padding ceil_mode count_include_pad divisor_override', ...)
    read(self, given, n)
    self.count_include_pad = given.count_include_pad ~= false
    self.divisor_override = given.divisor_override
  end

  function class:updateOutput(input)
    space.check(input, n)
    return mean(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
      self.count_include_pad, self.divisor_override)
  end

  function class:__tostring__()
    return arguments.call(self, 'kernel_size', {'stride', self.kernel_size, 'padding', 0,
      'ceil_mode', false, 'count_include_pad', true, 'divisor_override', 'nil'})
  end
end

-- Sizes of the result, of which 0 stands for those of the input.
local function sizes(module, input, n)
  local list = {}
  for d, size in ipairs(module.output_size) do
    list[d] = size > 0 and size or input:size(d - 1 - n)
  end
  return list
end

--- Poolings whose windows cover the input evenly; kind: 'max' or 'avg'.
function pool.adaptive(class, n, kind)
  local adapt = torch[('adaptive_%s_pool%dd'):format(kind, n)]

  function class:__init(...)
    local given = arguments.read(self,
      kind == 'max' and 'output_size return_indices' or 'output_size', ...)
    self.output_size = arguments.vector(self, 'output_size', given.output_size, n, 0)
    self.return_indices = given.return_indices or false
  end

  function class:updateOutput(input)
    space.check(input, n)
    local output, indices = adapt(input, sizes(self, input, n))
    return self.return_indices and {output, indices} or output
  end

  function class:__tostring__()
    return arguments.call(self, 'output_size', {'return_indices', false})
  end
end

return pool
