--- Layers that put a border around the last dimensions, or, with negative widths, take one away.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local arguments = require 'nn.convolutions.arguments'

local border = {}

--- Checks widths that a constructor got: the first, and the others, each by default the first.
function border.read(module, names, first, ...)
  local rest = {...}
  for i, name in ipairs(names) do
    local value = i == 1 and first or rest[i - 1] or first
    if type(value) ~= 'number' or value % 1 ~= 0 then
      error(('%s: %s: a whole number expected, got %s'):format(torch.type(module), name,
        tostring(value)), 0)
    end
    module[name] = value
  end
end

local NAMES = {'width', 'height', 'time'}

--- widths: {before, behind} the last dimension, the last but one, ...
function border.pad(input, widths, mode, value)
  for d = 1, #widths / 2 do
    local size = input:size(-d)
    local rest = size + widths[2 * d - 1] + widths[2 * d]
    if rest < 1 then
      error(('input has %s %d, of which a padding of %d and %d leaves %d'):format(NAMES[d], size,
        widths[2 * d - 1], widths[2 * d], rest), 0)
    end
  end
  return torch.pad(input, widths, mode, value or 0)
end

--- Gives a class the methods of PyTorch's paddings of the last n dimensions.
function border.define(class, n, mode)
  function class:__init(...)
    local padding = arguments.read(self, 'padding', ...).padding
    self.padding = arguments.vector(self, 'padding', padding, 2 * n, -math.huge)
  end

  function class:updateOutput(input)
    space.check(input, n)
    return border.pad(input, self.padding, mode)
  end

  function class:__tostring__()
    return arguments.call(self, 'padding', {})
  end
end

return border
