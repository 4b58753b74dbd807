--- Which dimension of an input a layer means, and checks that the layers of this folder share.
local torch = require 'torch'

local dims = {}

--- 3x4x5, for messages.
function dims.text(tensor)
  return table.concat(tensor:size():totable(), 'x')
end

--- A complaint unless the input is a tensor with as many dimensions as wanted.
function dims.check(input, low, high)
  if not torch.isTensor(input) then
    error(('a tensor expected, got %s'):format(torch.type(input)), 0)
  end
  if low and (input:dim() < low or input:dim() > (high or low)) then
    local wanted = low == (high or low) and tostring(low)
      or high == math.huge and low .. ' or more' or low .. ' to ' .. high
    error(('input of size [%s] has %d dimensions, expected %s'):format(dims.text(input),
      input:dim(), wanted), 0)
  end
end

--- A complaint unless the input is a table of `count` tensors.
function dims.check_table(input, count)
  local right = type(input) == 'table' and not torch.typename(input)
  for i = 1, count do right = right and torch.isTensor(input[i]) end
  if not right then
    error(('a table of %d tensors expected, got %s'):format(count, torch.type(input)), 0)
  end
end

--- The dimension `dim` of one sample, counted from 1 or, if negative, from the end. sample_dims:
-- how many dimensions a sample has; an input with one more is a batch.
function dims.at(input, dim, sample_dims)
  dims.check(input)
  local all = input:dim()
  local place = dim
  if dim < 0 then
    place = all + dim + 1
  elseif sample_dims and all == sample_dims + 1 then
    place = dim + 1
  end
  if place < 1 or place > all then
    error(('dimension %d of an input of size [%s] does not exist'):format(dim, dims.text(input)), 0)
  end
  return place
end

--- The dimension of the channels or classes: of (c), (batch, c), (c, y, x), (batch, c, y, x), and
-- the second of any more.
function dims.channel(input)
  local count = input:dim()
  return (count == 1 or count == 3) and 1 or 2
end

--- Is this argument of a constructor a whole number of at least `low`?
function dims.is_whole(value, low)
  return type(value) == 'number' and value % 1 == 0 and value >= (low or 1) and value < math.huge
end

--- A complaint at the caller of the constructor unless it is.
function dims.check_whole(class, name, value, low)
  if dims.is_whole(value, low) then return end
  error(('nn.%s: a whole number of at least %d expected for %s, got %s'):format(class, low or 1,
    name, tostring(value)), 4)
end

--- The sizes of a tensor or a list of arguments (numbers, a table or a LongStorage), as a table.
function dims.sizes(...)
  local first = ...
  if type(first) == 'userdata' then return first:totable() end
  if type(first) == 'table' then return first end
  return {...}
end

return dims
