--- Single examples as batches of one, and what a module is like.
local torch = require 'torch'

local function add(class)
  --- The tensor as a batch: one of nDim dimensions gets another one, at batchDim (1).
  function class:toBatch(tensor, nDim, batchDim)
    self.dpnn_online = tensor:dim() == nDim
    return self.dpnn_online and torch.unsqueeze(tensor, batchDim or 1) or tensor
  end

  --- The way back, for a result.
  function class:fromBatch(tensor, batchDim)
    return self.dpnn_online and torch.select(tensor, batchDim or 1, 1) or tensor
  end
end

local Module = torch.getmetatable('nn.Module')
add(Module)
add(torch.getmetatable('nn.Criterion'))

--- The type that most of the parameters have; the default type if there are none.
function Module:extrapolateType()
  local counts, best = {}, nil
  for _, tensor in ipairs((self:parameters()) or {}) do
    local name = tensor:type()
    counts[name] = (counts[name] or 0) + 1
    if not best or counts[name] > counts[best] then best = name end
  end
  return best or torch.getdefaulttensortype()
end

--- The size of the output for an input of this size, a table or LongStorage, as a LongStorage; a
-- table of sizes if the output is a table. Runs the module on zeros.
function Module:outside(insize)
  local sizes = torch.LongStorage(type(insize) == 'table' and insize or insize:totable())
  local input = torch.zeros(sizes):type(self:extrapolateType())
  local function size_of(value)
    if torch.isTensor(value) then return value:size() end
    local list = {}
    for key, part in pairs(value) do list[key] = size_of(part) end
    return list
  end
  return size_of(torch.no_grad(self.forward, self, input))
end
