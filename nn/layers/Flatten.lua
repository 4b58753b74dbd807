--- Several dimensions as one: by default all but the first, the batch's.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Flatten = torch.class('nn.Flatten', 'nn.Module')

--- From dimension start_dim, 2, to end_dim, the last; negative ones count from the end.
function Flatten:__init(start_dim, end_dim)
  self.start_dim, self.end_dim = start_dim or 2, end_dim or -1
end

function Flatten:updateOutput(input)
  dims.check(input)
  -- One example of one feature each: nothing to join.
  if input:dim() == 1 and self.start_dim == 2 and self.end_dim == -1 then return input end
  return torch.flatten(input, dims.at(input, self.start_dim), dims.at(input, self.end_dim))
end

function Flatten:__tostring__()
  return ('%s(%d, %d)'):format(torch.type(self), self.start_dim, self.end_dim)
end
