--- The input in another order and number of dimensions, told by letters: b batch, c channel, h and
-- w height and width, f feature, t time or target. nn.Convert('bhwc', 'bchw'), or ('bchw', 'bf').
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Container'

local Convert, Container = torch.class('nn.Convert', 'nn.Container')

local function check_shape(shape)
  if type(shape) ~= 'string' or not shape:match('^[bchwft]+$') then
    error(("nn.Convert: a word of the letters b, c, h, w, f, t expected, got '%s'"):format(
      tostring(shape)), 4)
  end
  for i = 1, #shape do
    if shape:find(shape:sub(i, i), i + 1, true) then
      error(("nn.Convert: no letter twice expected, got '%s'"):format(shape), 4)
    end
  end
end

--- Without shapes it only converts the input to the module's type.
function Convert:__init(inputShape, outputShape)
  Container.__init(self)
  if (inputShape == nil) ~= (outputShape == nil) then
    error('nn.Convert: two shapes expected, or none', 3)
  end
  if inputShape then
    check_shape(inputShape)
    check_shape(outputShape)
  end
  self.inputShape, self.outputShape = inputShape, outputShape
end

-- The dimension that takes up all those that the other shape does not have.
local function remainder(shape)
  for letter in ('fct'):gmatch('.') do
    if shape:find(letter, 1, true) then return letter end
  end
  return nil
end

-- For each letter of the result the dimensions of the input that go into it, in order.
local function plan(from, to)
  local sources, rest = {}, {}
  for i = 1, #from do
    local letter = from:sub(i, i)
    if to:find(letter, 1, true) then sources[letter] = {i} else rest[#rest + 1] = i end
  end
  local taker = remainder(to)
  if #rest > 0 and taker then
    local own = sources[taker] or {}
    for _, i in ipairs(rest) do own[#own + 1] = i end
    table.sort(own)
    sources[taker] = own
  end
  return sources, taker and {} or rest
end

-- The shapes for this input: with a batch that they do not name, or without the one they name.
local function shapes_for(self, input)
  local from, to = self.inputShape, self.outputShape
  local named = from:find('b', 1, true) and to:find('b', 1, true)
  if not (from .. to):find('b', 1, true) and input:dim() == #from + 1 then
    return 'b' .. from, 'b' .. to
  elseif named and input:dim() == #from - 1 and #to > 1 then
    return (from:gsub('b', '')), (to:gsub('b', ''))
  end
  return from, to
end

local function reshaped(self, input)
  local from, to = shapes_for(self, input)
  if input:dim() ~= #from then
    error(('input of size [%s], expected %d dimensions: %s'):format(inputs.sizes(input), #from,
      from), 0)
  end
  local sources, left = plan(from, to)
  local order, sizes = {}, {}
  for i = 1, #to do
    local size = 1
    for _, d in ipairs(sources[to:sub(i, i)] or {}) do
      order[#order + 1] = d
      size = size * input:size(d)
    end
    sizes[i] = size
  end
  for _, d in ipairs(left) do
    if input:size(d) ~= 1 then
      error(('input of size [%s] has no place for %s in %s'):format(inputs.sizes(input),
        from:sub(d, d), to), 0)
    end
    order[#order + 1] = d
  end
  return torch.reshape(torch.permute(input, (table.unpack or unpack)(order)),
    torch.LongStorage(sizes))
end

function Convert:updateOutput(input)
  if input:type() ~= self._type and self.outputShape ~= 'bt' then
    input = input:type(self._type)
  end
  if not self.inputShape or self.inputShape == self.outputShape then return input end
  return reshaped(self, input)
end

function Convert:__tostring__()
  if not self.inputShape then return torch.type(self) end
  return ('%s(%s -> %s)'):format(torch.type(self), self.inputShape, self.outputShape)
end
