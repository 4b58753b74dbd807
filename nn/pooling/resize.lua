--- Sizes of images and volumes that layers enlarge: a whole factor, or the sizes themselves.
local torch = require 'torch'
local space = require 'nn.convolutions.space'

local resize = {}

--- Reads a number, or a table {oheight = 10, owidth = 12}, whose names are the last arguments, into
-- fields.
function resize.read(module, params, ...)
  if type(params) ~= 'table' then return space.set(module, 1, 'scale_factor', params) end
  for _, name in ipairs {...} do
    if params[name] ~= nil or name ~= 'odepth' then space.set(module, 1, name, params[name]) end
  end
end

--- The sizes that the last n dimensions get.
function resize.sizes(module, input, n, names)
  local sizes = {}
  for d = 1, n do
    sizes[d] = module.scale_factor and input:size(d - 1 - n) * module.scale_factor
      or module[names[#names - n + d]]
    if not sizes[d] then
      error('odepth expected for a volume, as sizes are given', 0)
    end
  end
  return sizes
end

function resize.text(module)
  if module.scale_factor then return ('%s(%d)'):format(torch.type(module), module.scale_factor) end
  return ('%s(%s%d, %d)'):format(torch.type(module),
    module.odepth and ('%d, '):format(module.odepth) or '', module.oheight, module.owidth)
end

return resize
