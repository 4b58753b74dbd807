--- Clusters of vectors: the output is for each row of the input the number of the nearest centroid.
-- backward needs no gradient of the output; it moves the centroids, the rows of the weight, towards
-- the means of their clusters: updateParameters(1) puts them there. MacQueen 1967.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Kmeans, Module = torch.class('nn.Kmeans', 'nn.Module')

--- k: how many clusters. dim: how many features. scale: of the gradient, 1 by default; less for
-- small batches, from which one does not want to learn all at once.
function Kmeans:__init(k, dim, scale)
  dims.check_whole('Kmeans', 'k', k)
  dims.check_whole('Kmeans', 'dim', dim)
  Module.__init(self)
  self.k, self.dim, self.scale = k, dim, scale
  self:parameter('weight', k, dim)
  self.clusterSampleCount = torch.zeros(k)
  -- Mean squared distance of the last batch to its centroids.
  self.loss = 0
  self:reset()
end

--- Small uniform numbers.
function Kmeans:reset(stdv)
  stdv = stdv or 1 / math.sqrt(self.k * self.dim)
  self.weight:uniform(-stdv, stdv)
  return self
end

local function rows_of(self, input)
  dims.check(input, 1, 2)
  local size = input:size(input:dim())
  if size ~= self.dim then
    error(('input has %d features, expected %d'):format(size, self.dim), 0)
  end
  return input:detach():reshape(input:nElement() / size, size)
end

-- Squared distance of each row to its nearest centroid, and its number.
local function nearest(rows, centroids)
  local distances, indices = torch.min(torch.cdist(rows, centroids), 2)
  return torch.square(distances:view(rows:size(1))), indices:view(rows:size(1))
end

local function check_count(self, rows)
  if rows:size(1) < self.k then
    error(('nn.Kmeans: %d examples are too few for %d centroids'):format(rows:size(1), self.k), 3)
  end
end

--- Begins with k different examples as centroids.
function Kmeans:initRandom(input)
  local rows = rows_of(self, input)
  check_count(self, rows)
  local chosen = torch.randperm(rows:size(1)):narrow(1, 1, self.k):to('int64')
  torch.no_grad(self.weight.copy, self.weight, rows:index(1, chosen))
  return self
end

--- Begins with examples that lie far apart: each next one is drawn with a probability that grows
-- with its squared distance to those chosen. Arthur and Vassilvitskii 2007. p: which share of the
-- probability counts; below 1 the most distant examples, as outliers are, are left out.
function Kmeans:initKmeansPlus(input, p)
  p = p or self.p or 0.95
  if not (p > 0 and p < 1) then error('nn.Kmeans: p between 0 and 1 expected', 2) end
  local rows = rows_of(self, input)
  check_count(self, rows)
  local count = rows:size(1)
  local centroids = rows:narrow(1, torch.random(count), 1)
  for _ = 2, self.k do
    local weights = nearest(rows, centroids)
    local sorted, order = torch.sort(weights)
    local total = sorted:sum()
    if total > 0 then
      local cut = torch.gt(torch.cumsum(sorted) - sorted, p * total)
      weights:indexFill(1, order:maskedSelect(cut), 0)
    else
      weights:fill(1)
    end
    local chosen = torch.multinomial(weights, 1)[1]
    centroids = torch.cat(centroids, rows:narrow(1, chosen, 1), 1)
  end
  torch.no_grad(self.weight.copy, self.weight, centroids)
  return self
end

function Kmeans:updateOutput(input)
  local rows = rows_of(self, input)
  local distances, indices = nearest(rows, self.weight:detach())
  self.loss = distances:mean()
  self.output = indices
  return indices
end

--- The clusters have their own objective: nothing of it reaches the input.
function Kmeans:updateGradInput(input)
  self.gradInput = torch.zeros_like(input)
  return self.gradInput
end

--- For each centroid with examples its distance from their mean.
function Kmeans:accGradParameters(input, _, scale)
  scale = scale ~= 1 and scale or self.scale or 1
  local rows, weight = rows_of(self, input), self.weight:detach()
  local _, indices = nearest(rows, weight)
  local ones = rows:new_ones({rows:size(1)})
  local count = self.clusterSampleCount:zero():indexAdd(1, indices, ones)
  local sums = torch.zeros_like(weight):indexAdd(1, indices, rows)
  local filled = torch.gt(count, 0):typeAs(weight):view(self.k, 1)
  local means = sums / torch.clamp(count, 1, math.huge):view(self.k, 1)
  self.gradWeight:add(scale, torch.cmul(weight - means, filled))
end

function Kmeans:__tostring__()
  return ('%s(%d centroids of %d)'):format(torch.type(self), self.k, self.dim)
end
