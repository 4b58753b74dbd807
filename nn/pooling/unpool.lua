--- The reverse of a pooling by greatest values: each value back to where it was, zeros elsewhere.
local torch = require 'torch'

local unpool = {}

--- Checks the module whose indices are used.
function unpool.check(pooling, ...)
  for _, name in ipairs {...} do
    if torch.isTypeOf(pooling, name) then return pooling end
  end
  error(('a module of class %s expected, got %s'):format((...), torch.type(pooling)), 0)
end

--- input: (..., n dimensions of space); sizes: those of the space that results.
function unpool.scatter(input, indices, n, sizes)
  if not indices or indices:nElement() == 0 then
    error('the pooling module must run before', 0)
  end
  if not input:isSameSizeAs(indices) then
    error(('input has size %s, expected that of the pooling module\'s output, %s'):format(
      table.concat(input:size():totable(), 'x'), table.concat(indices:size():totable(), 'x')), 0)
  end
  local shape, planes, cells = input:size():totable(), 1, 1
  for d = 1, n do
    cells = cells * sizes[d]
    shape[#shape - n + d] = sizes[d]
  end
  for d = 1, #shape - n do planes = planes * shape[d] end
  local places = input:nElement() / planes
  local flat = torch.zeros(planes, cells):typeAs(input)
  return torch.scatter(flat, 2, indices:reshape(planes, places), input:reshape(planes, places))
    :view(torch.LongStorage(shape))
end

return unpool
