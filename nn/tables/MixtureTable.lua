--- Of {gater, experts}: the sum of the experts, each times its share of the gater. The gater is
-- (expert) or (batch, expert); experts are a table, or a tensor with a dimension for them.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local MixtureTable = torch.class('nn.MixtureTable', 'nn.Module')

--- dim: that of the experts in a tensor; by default 1, with batches 2.
function MixtureTable:__init(dim)
  self.dim = dim
end

-- The experts with a dimension for them, and which that is.
local function stacked(self, experts, batched)
  local dim = self.dim or (batched and 2 or 1)
  if type(experts) == 'userdata' then return experts, dim end
  inputs.check_tensors(experts)
  dim = batched and 2 or 1
  return torch.stack(experts, dim), dim
end

function MixtureTable:updateOutput(input)
  inputs.check_list(input, 2)
  inputs.check_tensors({input[1]})
  local gater = input[1]
  local batched = gater:dim() == 2
  local experts, dim = stacked(self, input[2], batched)
  local count = gater:size(gater:dim())
  if gater:dim() > 2 or dim > experts:dim() or experts:size(dim) ~= count
      or batched and experts:size(1) ~= gater:size(1) then
    error(('a gater of size [expert] or [batch x expert], and as many experts, expected, got [%s] '
      .. 'and experts of [%s]'):format(inputs.sizes(gater), inputs.sizes(experts)), 0)
  end
  local shape = torch.LongStorage(experts:dim()):fill(1)
  if batched then shape[1] = gater:size(1) end
  shape[dim] = count
  local weights = torch.expandAs(torch.reshape(gater, shape), experts)
  local sum = torch.sum(torch.cmul(experts, weights), dim)
  return torch.squeeze(sum, dim)
end
