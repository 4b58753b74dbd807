--- Multi-layer perceptron: fully connected layers with a non-linearity between them.
--
--   nn.MLP{784, 128, 10}
--   nn.MLP{784, 256, 256, 10, activation = 'Tanh', dropout = 0.2}
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'
local blocks = require 'nn.models.blocks'

local MLP, Sequential = torch.class('nn.MLP', 'nn.Sequential')

local KNOWN = {activation = 'ReLU', batch_norm = false, dropout = options.share(0), bias = true}

-- The sizes are the list part of the table.
local function split(given)
  local sizes, rest = {}, {}
  for key, value in pairs(type(given) == 'table' and given or {}) do
    if type(key) == 'number' then sizes[key] = value else rest[key] = value end
  end
  if #sizes < 2 then
    error('nn.MLP: two sizes or more expected, as in nn.MLP{784, 128, 10}', 0)
  end
  for i, size in ipairs(sizes) do
    if type(size) ~= 'number' or size % 1 ~= 0 or size < 1 then
      error(('nn.MLP: size %d: a whole number above 0 expected, got %s'):format(i,
        tostring(size)), 0)
    end
  end
  return sizes, rest
end

--- {inputs, hidden, ..., outputs, options}
-- activation = 'ReLU': a class of nn that is made without arguments.
-- batch_norm = false: nn.BatchNormalization behind each layer but the last.
-- dropout = 0: probability, behind each activation.
-- bias = true.
function MLP:__init(given)
  Sequential.__init(self)
  local sizes, rest = split(given)
  local o = options.read('MLP', rest, KNOWN)
  local activation = blocks.activation('MLP', o.activation)
  for i = 1, #sizes - 1 do
    local last = i == #sizes - 1
    self:add(nn.Linear(sizes[i], sizes[i + 1], o.bias))
    if not last then
      if o.batch_norm then self:add(nn.BatchNormalization(sizes[i + 1])) end
      self:add(activation())
      if o.dropout > 0 then self:add(nn.Dropout(o.dropout)) end
    end
  end
end
