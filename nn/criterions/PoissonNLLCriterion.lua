--- Negative log-likelihood of counts under a Poisson distribution.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local PoissonNLLCriterion = torch.class('nn.PoissonNLLCriterion', 'nn.Criterion')

--- options: log_input = true, false where the input is the mean itself, not its logarithm;
-- full = false, true to add what depends on the target alone (Stirling's formula, above 1);
-- eps = 1e-8, added under the logarithm; reduction = 'mean'.
function PoissonNLLCriterion:__init(options)
  losses.setup(self, options, {log_input = true, full = false, eps = 1e-8})
end

-- log n!, about; 0 up to 1.
local function stirling(target)
  local large = torch.clamp(target, 1, math.huge)
  local value = torch.csub(torch.cmul(large, torch.log(large)), large)
    + torch.log(large * (2 * math.pi)) * 0.5
  return torch.cmul(value, losses.typed_as(target:gt(1), target))
end

--- target: the counts, in the size of the input.
function PoissonNLLCriterion:updateOutput(input, target)
  target = losses.like(input, target)
  local values
  if self.log_input then
    values = torch.csub(torch.exp(input), torch.cmul(target, input))
  else
    values = torch.csub(input, torch.cmul(target, torch.log(input + self.eps)))
  end
  if self.full then values = values + stirling(target) end
  return losses.reduce(self, values)
end
