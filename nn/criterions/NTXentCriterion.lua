--- For two views of each example of a batch: cross entropy of finding the other view among all
-- others of the batch, by cosine (Chen et al. 2020, "SimCLR").
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.Criterion'

local NTXentCriterion = torch.class('nn.NTXentCriterion', 'nn.Criterion')

--- options: temperature = 0.5, by which cosines are divided; reduction = 'mean'.
function NTXentCriterion:__init(options)
  losses.setup(self, options, {temperature = 0.5})
  if self.temperature <= 0 or self.temperature ~= self.temperature then
    error(('nn.NTXentCriterion: temperature must be above 0, got %g'):format(self.temperature), 3)
  end
end

local function unit_rows(x)
  return torch.cdiv(x, torch.sqrt(torch.square(x):sum(2) + 1e-12))
end

--- input: {(batch, feature), (batch, feature)}. There is no target.
function NTXentCriterion:updateOutput(input)
  losses.check_parts(input, 2)
  if input[1]:dim() ~= 2 then
    error(('input: size (batch, feature) expected, got %s'):format(losses.size_text(input[1])), 0)
  end
  local a, b = unit_rows(input[1]), unit_rows(input[2])
  local all = torch.cat(a, b, 1)
  -- No row is to find itself.
  local itself = losses.typed_as(torch.eye(all:size(1)), all) * 1e9
  local others = torch.logsumexp(torch.csub(torch.mm(all, all:t()) / self.temperature, itself), 2)
  local other_view = torch.cmul(a, b):sum(2) / self.temperature
  return losses.reduce(self, torch.csub(others, torch.cat(other_view, other_view, 1)))
end
