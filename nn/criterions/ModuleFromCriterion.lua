--- A criterion as a module: {prediction, target} -> a tensor of one element, the loss. A graph of
-- modules (nngraph) can compute its loss itself this way.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.Module'

local ModuleFromCriterion = torch.class('nn.ModuleFromCriterion', 'nn.Module')

--- criterion: any nn.Criterion.
function ModuleFromCriterion:__init(criterion)
  if not torch.isTypeOf(criterion, 'nn.Criterion') then
    error(('nn.ModuleFromCriterion: a criterion expected, got %s'):format(torch.type(criterion)), 3)
  end
  run.adopt(criterion)
  self.criterion = criterion
end

function ModuleFromCriterion:updateOutput(input)
  if type(input) ~= 'table' or input[1] == nil or input[2] == nil then
    error('a table {prediction, target} expected', 0)
  end
  local loss = run.call(self.criterion, input[1], input[2])
  if type(loss) == 'number' then loss = input[1]:detach().new(1):fill(loss) end
  return torch.reshape(loss, 1)
end

function ModuleFromCriterion:__tostring__()
  return ('%s(%s)'):format(torch.type(self), tostring(self.criterion))
end
