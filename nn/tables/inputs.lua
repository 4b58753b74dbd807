--- What modules that take tables ask of them. Errors say what was wrong with the input.
local torch = require 'torch'

local inputs = {}

--- 2x3, for messages.
function inputs.sizes(tensor)
  return table.concat(tensor:size():totable(), 'x')
end

--- Fails unless the input is a list of `count` values, or with no count of one or more.
function inputs.check_list(input, count)
  if type(input) ~= 'table' then
    error(('a table of %s expected, got %s'):format(count and count .. ' values' or 'values',
      torch.type(input)), 0)
  end
  if count and #input ~= count then
    error(('a table of %d values expected, got %d'):format(count, #input), 0)
  end
  if #input == 0 then error('a table of one or more values expected, got an empty one', 0) end
end

--- Fails unless the input is a list of tensors.
function inputs.check_tensors(input, count)
  inputs.check_list(input, count)
  for i, part in ipairs(input) do
    if type(part) ~= 'userdata' then
      error(('a tensor expected as part %d of the input, got %s'):format(i, torch.type(part)), 0)
    end
  end
end

--- Two vectors, or two batches of them, of one size: both as (batch, element).
function inputs.pair_of_rows(input)
  inputs.check_tensors(input, 2)
  local a, b = input[1], input[2]
  if a:dim() == 1 then a = a:view(1, a:nElement()) end
  if b:dim() == 1 then b = b:view(1, b:nElement()) end
  if a:dim() ~= 2 or b:dim() ~= 2 or a:size(2) ~= b:size(2) or a:size(1) ~= b:size(1) then
    error(('two vectors of one size, or two batches of them, expected, got sizes [%s] and [%s]')
      :format(inputs.sizes(input[1]), inputs.sizes(input[2])), 0)
  end
  return a, b
end

--- The dimension meant by `dim`, negative ones from the end, where an input may have one dimension
-- more than it needs: the batch's.
function inputs.dimension(dim, dims, inner_dims)
  local at = dim
  if inner_dims and dims == inner_dims + 1 and dim > 0 then at = dim + 1 end
  if at < 0 then at = dims + at + 1 end
  if at < 1 or at > dims then
    error(('dimension %d expected, but the input has %d'):format(dim, dims), 0)
  end
  return at
end

return inputs
