--- Negative log-likelihood under normal distributions whose mean and variance are given.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local GaussianNLLCriterion = torch.class('nn.GaussianNLLCriterion', 'nn.Criterion')

--- options: full = false, true to add the constant log(2 pi) / 2; eps = 1e-6, the least variance;
-- reduction = 'mean'.
function GaussianNLLCriterion:__init(options)
  losses.setup(self, options, {full = false, eps = 1e-6})
end

-- The variance, at least eps, in a form that goes with the mean: of its size, without its last
-- dimension, or with 1 in place of it. Below eps it counts as eps, but keeps its gradient.
local function variance_of(self, mean, variance)
  losses.check_tensor(variance, 'variance')
  local rows = mean:nElement() / mean:size(mean:dim())
  if variance:nElement() == rows and not variance:isSameSizeAs(mean) then
    local sizes = mean:size():totable()
    sizes[#sizes] = 1
    variance = variance:reshape(torch.LongStorage(sizes))
  elseif not variance:isSameSizeAs(mean) then
    error(('the mean has size %s, but the variance size %s'):format(losses.size_text(mean),
      losses.size_text(variance)), 0)
  end
  local plain = variance:detach()
  if plain:min() < 0 then
    error(('a variance is never negative, got %g'):format(plain:min()), 0)
  end
  return variance + torch.clamp(self.eps - plain, 0, math.huge)
end

--- input: {mean, variance}; target: in the size of the mean. The variance may have size 1, or be
-- without the last dimension, where it is the same along that.
function GaussianNLLCriterion:updateOutput(input, target)
  if type(input) ~= 'table' or #input ~= 2 then
    error('input: a table {mean, variance} expected, got ' .. torch.type(input), 0)
  end
  target = losses.like(input[1], target)
  local variance = variance_of(self, input[1], input[2])
  local values = (torch.log(variance)
    + torch.cdiv(torch.square(torch.csub(input[1], target)), variance)) * 0.5
  if self.full then values = values + 0.5 * math.log(2 * math.pi) end
  return losses.reduce(self, values)
end
