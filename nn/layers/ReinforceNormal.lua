--- Draws normal numbers around the input. In use: the means.
local torch = require 'torch'
require 'nn.layers.Reinforce'

local ReinforceNormal, Reinforce = torch.class('nn.ReinforceNormal', 'nn.Reinforce')

--- stdev: the standard deviation, a number or a tensor of one example's size; nil if the input is a
-- table {means, standard deviations}. stochastic: true to draw in use, too.
function ReinforceNormal:__init(stdev, stochastic)
  Reinforce.__init(self, stochastic)
  self.stdev = stdev
end

-- The mean, the standard deviation in the same size, and whether the latter is an input.
local function parts(self, input)
  if type(input) == 'table' then return input[1], input[2], true end
  local stdev = self.stdev
  if type(stdev) == 'number' then return input, input.new(input:size()):fill(stdev), false end
  if not torch.isTensor(stdev) then
    error('a table {means, standard deviations} expected, as no stdev was given', 0)
  end
  return input, stdev:typeAs(input):expandAs(input), false
end

function ReinforceNormal:draw(input)
  local mean, stdev, learned = parts(self, input)
  local x = torch.cmul(mean.new(mean:size()):normal(0, 1), stdev) + mean
  return x, function()
    local gap, variance = x - mean, torch.cmul(stdev, stdev)
    local slope = torch.cdiv(gap, variance)
    if not learned then return slope end
    return slope, torch.cdiv(torch.cmul(gap, gap) - variance, torch.cmul(variance, stdev))
  end
end

function ReinforceNormal:expected(input)
  return type(input) == 'table' and input[1] or input
end
