--- What Max and Min share.
local torch = require 'torch'
local dims = require 'nn.layers.dims'

local extreme = {}

--- pick: torch.max or torch.min. Notes the places in `indices`.
function extreme.apply(self, pick, input)
  local dim = dims.at(input, self.dimension, self.nInputDims)
  if input:size(dim) == 0 then
    error(('dimension %d of an input of size [%s] is empty'):format(dim, dims.text(input)), 0)
  end
  local output, indices = pick(input, dim)
  self.indices = indices
  return input:dim() > 1 and torch.select(output, dim, 1) or output
end

return extreme
