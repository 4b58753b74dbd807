--- A criterion that leaves out the examples whose input is all zeros: padding.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
local masking = require 'nn.recurrent.masking'
require 'nn.Criterion'

local MaskZeroCriterion, Criterion = torch.class('nn.MaskZeroCriterion', 'nn.Criterion')

--- nInputDim: how many dimensions one example of the input has (of a table its first tensor).
function MaskZeroCriterion:__init(criterion, nInputDim)
  Criterion.__init(self)
  if not torch.isTypeOf(criterion, 'nn.Criterion') then
    error(('%s: a criterion expected, got %s'):format(torch.type(self), torch.type(criterion)), 3)
  end
  run.adopt(criterion)
  self.criterion, self.nInputDim = criterion, nInputDim or 1
end

local function pick(value, places)
  return values.map(function(tensor) return torch.index(tensor, 1, places) end, value)
end

-- The loss of nothing: tied to the input, whose gradient is zero.
local function nothing(input)
  local sum = 0
  values.each(function(tensor) sum = sum + tensor:sum() * 0 end, input)
  return sum
end

function MaskZeroCriterion:updateOutput(input, target)
  local places = masking.places(masking.rows(input, self.nInputDim))
  local first = input
  while type(first) == 'table' do first = first[1] end
  if places:nElement() == 0 then return nothing(input) end
  if first:dim() > self.nInputDim and places:nElement() < first:size(1) then
    input, target = pick(input, places), pick(target, places)
  end
  return run.call(self.criterion, input, target)
end

function MaskZeroCriterion:__tostring__()
  return ('%s @ %s'):format(torch.type(self), tostring(self.criterion))
end
