--- MSECriterion between the input and corners of a regular simplex, one corner for each class, all
-- equally far from each other.
local torch = require 'torch'
local classes = require 'nn.criterions.classes'
require 'nn.criterions.MSECriterion'

local ClassSimplexCriterion, MSECriterion = torch.class('nn.ClassSimplexCriterion',
  'nn.MSECriterion')

-- The n + 1 corners, of length 1, with -1/n between any two; each has one coordinate more than the
-- one before, and what follows agrees with it in all earlier ones.
local function corners(n)
  local points = torch.zeros(n + 1, n):to('float64')
  local rest = 1 -- of the squared length
  for k = 1, n do
    local height = math.sqrt(rest)
    local others = (rest - 1 - 1 / n) / height
    points[k][k] = height
    for i = k + 1, n + 1 do points[i][k] = others end
    rest = rest - others * others
  end
  return points
end

--- nClasses: also the size of an input, one more than the simplex needs, which helps training.
function ClassSimplexCriterion:__init(nClasses)
  if type(nClasses) ~= 'number' or nClasses < 2 or nClasses % 1 ~= 0 then
    error(('nn.ClassSimplexCriterion: the number of classes, 2 or more, expected, got %s'):format(
      tostring(nClasses)), 3)
  end
  MSECriterion.__init(self)
  self.nClasses = nClasses
  self.simplex = torch.zeros(nClasses, nClasses)
  self.simplex:narrow(2, 1, nClasses - 1):copy(corners(nClasses - 1))
end

local function rows(self, input)
  input = classes.batch(input)
  if input:size(2) ~= self.nClasses then
    error(('input has %d features, expected %d, the number of classes'):format(input:size(2),
      self.nClasses), 0)
  end
  return input
end

--- input: (nClasses) or (batch, nClasses); target: the right class, or one for each row.
function ClassSimplexCriterion:updateOutput(input, target)
  input = rows(self, input)
  local labels = classes.labels(target, input:size(1), self.nClasses)
  return MSECriterion.updateOutput(self, input, self.simplex:index(1, labels))
end

--- How near each input is to each class: (batch, nClasses).
function ClassSimplexCriterion:getPredictions(input)
  return torch.mm(rows(self, input), self.simplex:typeAs(input):t())
end

--- The nearest class of each input.
function ClassSimplexCriterion:getTopPrediction(input)
  local _, top = self:getPredictions(input):max(2)
  return top:view(-1)
end
