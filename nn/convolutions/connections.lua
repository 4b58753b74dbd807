--- Which input channel goes into which output channel: rows {from, to} for SpatialConvolutionMap
-- and SpatialFullConvolutionMap. Programs know these functions as nn.tables.
local torch = require 'torch'

local connections = {}

--- Every one of nin inputs with every one of nout outputs.
function connections.full(nin, nout)
  local rows = {}
  for to = 1, nout do
    for from = 1, nin do rows[#rows + 1] = {from, to} end
  end
  return torch.Tensor(rows)
end

--- Each of n inputs with the output of the same number.
function connections.oneToOne(n)
  local rows = {}
  for i = 1, n do rows[i] = {i, i} end
  return torch.Tensor(rows)
end

--- Each of nout outputs with nto inputs by lot; all inputs are used before one is used again.
function connections.random(nin, nout, nto)
  if nto > nin then
    error(('nn.tables.random: %d inputs for each output expected at most, got %d'):format(nin,
      nto), 2)
  end
  local rows, deck = {}, {}
  for to = 1, nout do
    local taken, later = {}, {}
    while #rows < to * nto do
      if #deck == 0 then deck = torch.randperm(nin):totable() end
      local from = table.remove(deck)
      if taken[from] then
        later[#later + 1] = from
      else
        taken[from] = true
        rows[#rows + 1] = {from, to}
      end
    end
    for _, from in ipairs(later) do deck[#deck + 1] = from end
  end
  return torch.Tensor(rows)
end

-- What the two modules with such a table share ------------------------------------------------

--- Checks the table, and makes the parameters: a kernel for each row, a bias for each output.
function connections.begin(module, rows, kH, kW)
  if not torch.isTensor(rows) or rows:dim() ~= 2 or rows:size(2) ~= 2 or rows:nElement() == 0 then
    error(torch.type(module) .. ': a table of rows {from, to} expected, as nn.tables makes it', 0)
  end
  if rows:min() < 1 or (rows:double() - rows:double():floor()):abs():max() > 0 then
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
  local rows = module.connTable:long()
  local n_first = first == 1 and module.nInputPlane or module.nOutputPlane
  local n_second = first == 1 and module.nOutputPlane or module.nInputPlane
  local places = (rows:select(2, first) - 1) * n_second + rows:select(2, 3 - first)
  local weight = module.weight
  local dense = torch.zeros(n_first * n_second, module.kH * module.kW):typeAs(weight)
  dense = torch.indexAdd(dense, 1, places, weight:view(rows:size(1), module.kH * module.kW))
  return dense:view(n_first, n_second, module.kH, module.kW)
end

return connections
