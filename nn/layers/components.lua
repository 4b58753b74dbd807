--- What CAdd and CMul share: a learned tensor that meets each example.
local torch = require 'torch'
local dims = require 'nn.layers.dims'

local components = {}

--- The sizes as Torch7 keeps them, from the arguments of the constructor.
function components.size(class, ...)
  local sizes = dims.sizes(...)
  if #sizes == 0 then error(('nn.%s: sizes expected'):format(class), 3) end
  for i, size in ipairs(sizes) do dims.check_whole(class, 'size ' .. i, size) end
  return torch.LongStorage(sizes)
end

--- fn(input, tensor) with both in shapes that fit, and the result in the input's shape. The tensor
-- has as many elements as the input or as one example, or sizes of 1 where it is repeated.
function components.apply(fn, input, tensor)
  dims.check(input, 1, math.huge)
  local count, size, batch = input:nElement(), tensor:nElement(), input:size(1)
  if count == size then return fn(input, torch.view(tensor, input:size())) end
  if tensor:dim() < input:dim() and count == size * batch then
    local flat = torch.reshape(input, batch, size)
    return torch.reshape(fn(flat, torch.view(tensor, size)), input:size())
  end
  for d = 1, tensor:dim() do
    local place = input:dim() - tensor:dim() + d
    if place < 1 or tensor:size(d) ~= 1 and tensor:size(d) ~= input:size(place) then
      error(('input of size [%s] and a parameter of size [%s] do not match'):format(
        dims.text(input), dims.text(tensor)), 0)
    end
  end
  return fn(input, tensor)
end

return components
