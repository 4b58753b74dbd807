--- nn.tables: which input channel goes into which output channel, as rows {from, to}, for
-- SpatialConvolutionMap and SpatialFullConvolutionMap.
local torch = require 'torch'

local tables = {}

--- Every one of nin inputs with every one of nout outputs.
function tables.full(nin, nout)
  local rows = {}
  for to = 1, nout do
    for from = 1, nin do rows[#rows + 1] = {from, to} end
  end
  return torch.Tensor(rows)
end

--- Each of n inputs with the output of the same number.
function tables.oneToOne(n)
  local rows = {}
  for i = 1, n do rows[i] = {i, i} end
  return torch.Tensor(rows)
end

--- Each of nout outputs with nto inputs by lot; all inputs are used before one is used again.
function tables.random(nin, nout, nto)
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

return tables
