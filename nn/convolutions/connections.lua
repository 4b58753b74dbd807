--- What the two modules with a table of connections share.
local torch = require 'torch'

local connections = {}

--- Checks the table, and makes the parameters: a kernel for each row, a bias for each output.
function connections.begin(module, rows, kH, kW)
  if not torch.isTensor(rows) or rows:dim() ~= 2 or rows:size(2) ~= 2 or rows:nElement() == 0 then
    error(torch.type(module) .. ': a table of rows {from, to} expected, as nn.tables makes it', 0)
  end
  if rows:min() < 1 or (rows:to('float64') - rows:to('float64'):floor()):abs():max() > 0 then
    error(torch.type(module) .. ': rows {from, to} of whole numbers from 1 on expected', 0)
  end
  module.connTable = rows
  module.nInputPlane = rows:select(2, 1):max()
  module.nOutputPlane = rows:select(2, 2):max()
  module:parameter('weight', rows:size(1), kH, kW)
  module:parameter('bias', module.nOutputPlane)
end

--- Uniform numbers of this standard deviation; by default within 1 / sqrt(inputs of the output).
function connections.draw(module, stdv)
  local counts, cells = {}, module.kW * module.kH
  if stdv then
    module.weight:uniform(-stdv * math.sqrt(3), stdv * math.sqrt(3))
    module.bias:uniform(-stdv * math.sqrt(3), stdv * math.sqrt(3))
    return
  end
  local rows = module.connTable:totable()
  for _, row in ipairs(rows) do counts[row[2]] = (counts[row[2]] or 0) + 1 end
  for i, row in ipairs(rows) do
    local bound = 1 / math.sqrt(cells * counts[row[2]])
    module.weight:select(1, i):uniform(-bound, bound)
  end
  for to = 1, module.nOutputPlane do
    local bound = 1 / math.sqrt(cells * (counts[to] or 1))
    module.bias:narrow(1, to, 1):uniform(-bound, bound)
  end
end

--- The kernels as a whole matrix of them, (a, b, height, width), 0 where there is no connection;
-- `first`: which column of the table is a. Rows that say the same add up.
function connections.dense(module, first)
  local rows = module.connTable:to('int64')
  local n_first = first == 1 and module.nInputPlane or module.nOutputPlane
  local n_second = first == 1 and module.nOutputPlane or module.nInputPlane
  local places = (rows:select(2, first) - 1) * n_second + rows:select(2, 3 - first)
  local weight = module.weight
  local dense = torch.zeros(n_first * n_second, module.kH * module.kW):typeAs(weight)
  dense = torch.indexAdd(dense, 1, places, weight:view(rows:size(1), module.kH * module.kW))
  return dense:view(n_first, n_second, module.kH, module.kW)
end

return connections
