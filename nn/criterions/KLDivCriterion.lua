--- Kullback-Leibler divergence of the target from the input, log-probabilities.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local KLDivCriterion = torch.class('nn.KLDivCriterion', 'nn.Criterion')

--- options: log_target = false, true where the target, too, is log-probabilities;
-- reduction = 'mean', over all elements, 'batchmean', 'sum' or 'none'.
function KLDivCriterion:__init(options)
  losses.setup(self, options, {log_target = false}, nil, 'batchmean')
end

--- input, target: of one size.
function KLDivCriterion:updateOutput(input, target)
  target = losses.like(input, target)
  local values
  if self.log_target then
    values = torch.cmul(torch.exp(target), torch.csub(target, input))
  else
    -- 0 log 0 = 0
    local own = torch.cmul(target, torch.log(torch.clamp(target, 1e-45, math.huge)))
    values = torch.csub(own, torch.cmul(target, input))
    local positive = target:detach():gt(0)
    if positive:min() == 0 then values = torch.cmul(values, losses.typed_as(positive, values)) end
  end
  if self.reduction == 'batchmean' then return values:sum() / input:size(1) end
  return losses.reduce(self, values)
end
