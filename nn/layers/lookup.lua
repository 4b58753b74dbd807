--- What tables of learned rows (LookupTable, Embedding) share.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local on_backward = require 'nn.layers.on_backward'

local lookup = {}

-- The numbers of the rows, in one dimension.
local function flat_indices(input)
  dims.check(input)
  local flat = input:detach():reshape(input:nElement())
  return flat.dtype == 'int64' and flat or flat:to('int64')
end

--- Scales those rows of `weight` that are used and whose norm is above max_norm down to it.
local function renorm(weight, indices, max_norm, norm_type)
  if indices:nElement() == 0 then return end
  local used = torch.unique(indices)
  local rows = weight:index(1, used)
  local factor = max_norm / (torch.norm(rows, norm_type, 2) + 1e-7)
  weight:indexCopy(1, used, torch.cmul(rows, torch.clamp(factor, 0, 1)))
end

-- For each index the factor of its gradient: 0 for the padding, 1 / how often it comes if wanted.
local function gradient_factors(indices, like, padding, by_frequency)
  local factors = like:new_ones({indices:nElement(), 1})
  if by_frequency then
    local _, place, counts = torch.unique(indices, {return_inverse = true, return_counts = true})
    factors:cdiv(counts:typeAs(factors):index(1, place):view(factors:size()))
  end
  if padding then factors:maskedFill(torch.eq(indices, padding):view(factors:size()), 0) end
  return factors
end

--- The rows that the input names: a dimension more than it has, of the size of a row.
-- options: padding, max_norm, norm_type, by_frequency.
function lookup.apply(weight, input, options)
  local indices = flat_indices(input)
  if options.max_norm then
    torch.no_grad(renorm, weight, indices, options.max_norm, options.norm_type or 2)
  end
  local rows = torch.index(weight, 1, indices)
  if (options.padding or options.by_frequency) and rows.requires_grad then
    local factors = gradient_factors(indices, weight, options.padding, options.by_frequency)
    rows = on_backward(rows, function(dy) return torch.cmul(dy, factors) end)
  end
  local sizes = input:size():totable()
  if #sizes == 0 then sizes[1] = indices:nElement() end
  sizes[#sizes + 1] = weight:size(2)
  return torch.view(rows, torch.LongStorage(sizes))
end

--- Adds dy, times `rate`, to those rows of `into` that the input names.
function lookup.add(into, input, dy, rate, options)
  local indices = flat_indices(input)
  local rows = dy:reshape(indices:nElement(), into:size(2))
  local factors = gradient_factors(indices, into, options.padding, options.by_frequency)
  torch.no_grad(into.indexAdd, into, 1, indices, torch.cmul(rows, factors) * rate)
end

return lookup
