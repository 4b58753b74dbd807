--- Transposed convolutions that are told the size of their result by another tensor.
local torch = require 'torch'

local target_size = {}
local unpack = table.unpack or unpack

--- extra(module, {input, target}, 'H', 'W'): what must be added to the sizes along each of these
-- dimensions, so that the result is as large as the target.
function target_size.extra(module, inputs, ...)
  local input, target = inputs[1], inputs[2]
  local names, extra = {...}, {}
  if not torch.isTensor(input) or not torch.isTensor(target) or target:dim() <= #names then
    error(('a table {input, target} of tensors with %d dimensions or more expected'):format(
      #names + 1), 0)
  end
  for i, name in ipairs(names) do
    local dim = i - 1 - #names
    local d, pad, k = module['d' .. name], module['pad' .. name], module['k' .. name]
    local size = (input:size(dim) - 1) * d - 2 * pad + k
    extra[i] = target:size(dim) - size
    if extra[i] < 0 or extra[i] >= d then
      error(('the target has size %d in dimension %d, but from an input of size %d sizes from %d '
        .. 'to %d can be made'):format(target:size(dim), target:dim() + 1 + dim, input:size(dim),
        size, size + d - 1), 0)
    end
  end
  return unpack(extra)
end

return target_size
