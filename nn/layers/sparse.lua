--- The product of SparseLinear and IndexLinear: examples given by the features that are not 0.
local torch = require 'torch'

local sparse = {}

--- (batch, output) from lists: keys, the features of all examples one after the other; vals, their
-- values; places, the example each belongs to. rows: (feature, output), one for each key.
function sparse.product(rows, vals, places, batch)
  local weighted = torch.cmul(rows, torch.view(vals, vals:nElement(), 1))
  return torch.indexAdd(rows:new_zeros({batch, rows:size(2)}), 1, places, weighted)
end

--- {3, 1} -> 1 1 1 2: the example of each entry, from how many each has.
function sparse.places(counts)
  local total = 0
  for _, count in ipairs(counts) do total = total + count end
  local places, first = torch.LongTensor(total), 1
  for i, count in ipairs(counts) do
    if count > 0 then places:narrow(1, first, count):fill(i) end
    first = first + count
  end
  return places
end

return sparse
