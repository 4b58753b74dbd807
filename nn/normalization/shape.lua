--- What the normalisations share: sizes, and the weight and bias that they begin with.
local torch = require 'torch'

local shape = {}

--- {4, 5} from 4, 5, {4, 5} or a LongStorage.
function shape.sizes(who, sizes)
  if type(sizes) == 'number' then sizes = {sizes} end
  local list = type(sizes) == 'userdata' and sizes:totable() or sizes
  if type(list) ~= 'table' or #list == 0 then
    error(('%s: a size, or a table of sizes, expected, got %s'):format(who, torch.type(sizes)), 0)
  end
  for _, size in ipairs(list) do shape.count(who, 'a size', size) end
  return {(table.unpack or unpack)(list)} -- luacheck: ignore
end

--- A whole number from 1 on.
function shape.count(who, what, n)
  if type(n) ~= 'number' or n < 1 or n % 1 ~= 0 then
    error(('%s: %s must be a whole number from 1 on, got %s'):format(who, what, tostring(n)), 0)
  end
  return n
end

--- '3x4' for a tensor of these sizes.
function shape.text(tensor)
  local list = {}
  for d = 1, tensor:dim() do list[d] = ('%d'):format(tensor:size(d)) end
  return #list > 0 and table.concat(list, 'x') or 'no dimension'
end

--- Gives the module a weight of ones and a bias of zeros.
function shape.affine(module, sizes, bias)
  local unpack = table.unpack or unpack -- luacheck: ignore
  module:parameter('weight', unpack(sizes))
  if bias then module:parameter('bias', unpack(sizes)) end
  shape.reset(module)
end

function shape.reset(module)
  torch.no_grad(function()
    if module.weight then module.weight:fill(1) end
    if module.bias then module.bias:zero() end
  end)
end

return shape
