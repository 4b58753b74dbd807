--- Pieces that several models for images are made of.
local nn = require 'nn'

local blocks = {}

--- Convolution without a bias, which the normalization behind it would take away, and a rectifier.
-- options: kernel = 3, stride = 1, padding = so that the size stays, groups = 1, activation: a
-- module, or false for none; default nn.ReLU.
function blocks.convolution(into, from, to, options)
  options = options or {}
  local kernel = options.kernel or 3
  local padding = options.padding or math.floor(kernel / 2)
  into:add(nn.Conv2d(from, to, kernel, options.stride or 1, padding, 1, options.groups or 1, false))
  into:add(nn.BatchNorm2d(to))
  if options.activation ~= false then into:add(options.activation or nn.ReLU(true)) end
  return into
end

--- main(x) + shortcut(x); shortcut: a module, or nil for x itself.
function blocks.residual(main, shortcut)
  return nn.Sequential(nn.ConcatTable():add(main):add(shortcut or nn.Identity()), nn.CAddTable())
end

--- The class of nn that an option names, such as 'ReLU' or 'Tanh'.
function blocks.activation(model, name)
  local class = nn[name]
  if class then return class end
  error(("nn.%s: activation: the name of a class of nn expected, got '%s'"):format(model, name), 0)
end

--- Images (batch, channels, height, width) -> (batch, channels), the mean of each channel.
function blocks.pool_all(into)
  return into:add(nn.AdaptiveAvgPool2d(1)):add(nn.View(-1):setNumInputDims(3))
end

return blocks
