--- What Torch7's layers with a sliding window share: their numbers, checks of what they are given,
-- the first parameters, and how they print.
local torch = require 'torch'

local space = {}

local NAMES = {'channel, time', 'channel, height, width', 'channel, time, height, width'}
local INTEGERS = {uint8 = true, int8 = true, int16 = true, int32 = true, int64 = true, bool = true}

--- set(module, 1, 'kW kH', 3, 5): fields that are whole numbers from `least` on.
function space.set(module, least, names, ...)
  local i = 0
  for name in names:gmatch('%S+') do
    i = i + 1
    local value = select(i, ...)
    if type(value) ~= 'number' or value % 1 ~= 0 or value < least then
      error(('%s: %s: a whole number from %d on expected, got %s'):format(torch.type(module), name,
        least, tostring(value)), 0)
    end
    module[name] = value
  end
end

--- A tensor with these dimensions, and perhaps one for the batch in front; says whether it has
-- that. names: 'channel, height, width', say.
function space.batched(input, dims, names)
  if not torch.isTensor(input) then
    error(('a tensor (batch, %s) expected, got a %s'):format(names, type(input)), 0)
  end
  local n = input:dim()
  if n ~= dims and n ~= dims + 1 then
    error(('input has %d dimensions, expected %d (%s) or %d (batch, %s)'):format(n, dims, names,
      dims + 1, names), 0)
  end
  return n == dims + 1
end

--- Checks an input of n dimensions of space, and of so many channels unless that is nil. Whole
-- numbers, as images have them, become what `weight` is.
function space.check(input, n, planes, weight)
  local batched = space.batched(input, n + 1, NAMES[n])
  local channels = input:size(batched and 2 or 1)
  if planes and channels ~= planes then
    error(('input has %d channels, expected %d'):format(channels, planes), 0)
  end
  if weight and getmetatable(input) ~= getmetatable(weight) and INTEGERS[input.dtype] then
    input = input:typeAs(weight)
  end
  return input, batched
end

--- fn(batch), for functions that take batches only.
function space.as_batch(fn, input, batched)
  if batched then return fn(input) end
  return fn(input:unsqueeze(1)):select(1, 1)
end

--- Weight and bias: uniform numbers of this standard deviation; by default within 1 / sqrt(inputs
-- of an output).
function space.draw(module, inputs, stdv)
  stdv = stdv and stdv * math.sqrt(3) or 1 / math.sqrt(inputs)
  module.weight:uniform(-stdv, stdv)
  if module.bias then module.bias:uniform(-stdv, stdv) end
end

--- Method: drops the bias.
function space.no_bias(module)
  module.bias, module.gradBias = nil, nil
  return module
end

-- 'dW=1 dH=1': the values of these fields, and whether they are as usual.
local function fields(module, names)
  local list, trivial = {}, true
  for name, usual in names:gmatch('(%w+)=(%d+)') do
    local value = module[name] or tonumber(usual)
    trivial = trivial and value == tonumber(usual)
    list[#list + 1] = ('%d'):format(value)
  end
  return table.concat(list, ','), trivial
end

--- The text of a layer, as Torch7 has it: `kind(first, steps, pads, more)`. Each is a list like
-- 'dW=1 dH=1'; what is as usual from some point on is left out, but not `more`.
function space.text(module, first, steps, pads, more)
  local parts = {first}
  local step, same_steps = fields(module, steps)
  local pad, same_pads = fields(module, pads)
  if steps ~= '' and (more or not same_steps or not same_pads) then parts[2] = step end
  if more or not same_pads then parts[#parts + 1] = pad end
  if more then parts[#parts + 1] = (fields(module, more)) end
  return ('%s(%s)'):format(torch.type(module), table.concat(parts, ', '))
end

return space
